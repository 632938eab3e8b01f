"""YAML of a settings file, read within bounds.

A hundred bytes of YAML can stand for gigabytes (anchors that repeat anchors), and two equal keys silently
lose one. Settings need neither, so both are refused. What YAML 1.1 alone takes for a number or a date stays text.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from condetr.core.errors import SettingsError, first_line_of

MOST_CHARACTERS = 256 * 1024
DEEPEST = 16
_NUMBERS = {  # 010, 1:30 and numbers that no setting takes are none of them
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9][0-9]{0,17})$"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?([0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?$"),
}
_PLAIN = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without anchors, tags, repeated keys and bottomless nesting."""

    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _PLAIN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors (&) and aliases (*) are not read; write the value out", problem_mark=event.start_mark
            )
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(
                problem="tags (!) are not read; write the value without", problem_mark=event.start_mark
            )
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEEPEST}", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.MarkedYAMLError(problem="a setting's name must be text", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} stands here twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


for _tag, _pattern in _NUMBERS.items():
    _PlainLoader.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))


def plain_yaml(text: str, *, source: object) -> Any:
    """The value that ``text`` stands for.

    Raises:
        SettingsError: the text is too long, is no YAML, or uses what settings have no need for.
    """
    if len(text) > MOST_CHARACTERS:
        raise SettingsError(f"has {len(text)} characters, expected at most {MOST_CHARACTERS}", source=source)
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506  a SafeLoader, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else f"line {mark.line + 1}"
        raise SettingsError(f"is not readable YAML: {error.problem}", source=source, item=line) from error
    except (yaml.YAMLError, ValueError) as error:
        raise SettingsError(f"is not readable YAML: {first_line_of(error)}", source=source) from error


def plain_yaml_file(file: Path) -> Any:
    """The value in a file.

    Raises:
        SettingsError: it cannot be read; else as of `plain_yaml`.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(4 * MOST_CHARACTERS + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"is not UTF-8 text: {error.reason} at byte {error.start}", source=file) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        reason = getattr(error, "strerror", None) or first_line_of(error)
        raise SettingsError(f"cannot be read: {reason}", source=file) from error
    return plain_yaml(text, source=file)
