"""YAML that a stranger wrote. A class may be called yes, 010 or null, so what is written stays text.

A hundred bytes of YAML can stand for gigabytes (anchors that repeat anchors), and two equal keys silently
lose one; data sets need neither, so both are refused.
"""

from typing import Any

import yaml

from condetr.core.errors import AnnotationError

_DEEPEST = 32


def plain_text_yaml(text: str, *, source: object) -> Any:
    """The value that ``text`` stands for: mappings, lists and text.

    Raises:
        AnnotationError: it is no YAML, or uses what data sets have no need for.
    """
    try:
        return yaml.load(text, Loader=_TextLoader)  # noqa: S506  a SafeLoader, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else f"line {mark.line + 1}"
        reason = " ".join(str(error.problem or error.context).split())[:300]
        raise AnnotationError(f"is not readable YAML: {reason}", source=source, item=line) from error
    except MemoryError:
        raise
    except Exception as error:  # PyYAML raises anything on a value that is not of its tag: !!bool x, !!timestamp x
        said = " ".join(str(error).split())[:300]
        raise AnnotationError(f"is not readable YAML: {type(error).__name__} {said}", source=source) from error


class _TextLoader(yaml.SafeLoader):
    """Safe YAML without anchors, repeated keys, bottomless nesting and guessed types."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  PyYAML's attribute

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases (*) are not read; write the value out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {_DEEPEST}", problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.value in seen or seen.add(key.value)):  # type: ignore[func-returns-value]
                problem = f"duplicate key {key.value[:80]!r}: it stands twice in one mapping"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep=deep)
