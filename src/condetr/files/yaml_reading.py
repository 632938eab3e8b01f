"""Reading YAML of unknown origin within bounds.

A hundred bytes of YAML can expand to gigabytes (aliases of aliases), and of two equal keys one is silently lost.
Neither settings nor datasets need these, so both are refused.
"""

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from condetr.core.errors import AnnotationError, CondetrError, SettingsError, first_line_of

_MOST_CHARACTERS = 256 * 1024  # of settings
_TEXT = "tag:yaml.org,2002:str"
_NUMBERS = {  # without 010, 1:30 and numbers that no setting takes
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9][0-9]{0,17})$"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?([0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?$"),
}
_PLAIN = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


def settings_yaml(text: str, *, source: object) -> Any:
    """The value that ``text`` holds. What only YAML 1.1 takes for a number or a date stays text.

    Raises:
        SettingsError: the text is too long, is not YAML, or uses what settings do not need.
    """
    if len(text) > _MOST_CHARACTERS:
        raise SettingsError(f"has {len(text)} characters, expected at most {_MOST_CHARACTERS}", source=source)
    return _parsed(text, _SettingsLoader, source, SettingsError)


def read_settings_yaml(file: Path) -> Any:
    """The value in a file.

    Raises:
        SettingsError: it cannot be read; otherwise as `settings_yaml`.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(4 * _MOST_CHARACTERS + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"is not UTF-8 text: {error.reason} at byte {error.start}", source=file) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        reason = getattr(error, "strerror", None) or first_line_of(error)
        raise SettingsError(f"cannot be read: {reason}", source=file) from error
    return settings_yaml(text, source=file)


def text_yaml(text: str, *, source: object) -> Any:
    """The mappings, lists and text that ``text`` holds. A class may be called yes, 010 or null, so scalars stay text.

    Raises:
        AnnotationError: it is not YAML, or uses what datasets do not need.
    """
    return _parsed(text, _TextLoader, source, AnnotationError)


def _parsed(text: str, loader: type[yaml.SafeLoader], source: object, kind: type[CondetrError]) -> Any:
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506  a SafeLoader, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else f"line {mark.line + 1}"
        reason = " ".join(str(error.problem or error.context).split())[:300]
        raise kind(f"is not readable YAML: {reason}", source=source, item=line) from error
    except MemoryError:
        raise
    except Exception as error:  # PyYAML raises anything on a value that is not of its tag: !!bool x, !!timestamp x
        reason = " ".join(str(error).split())[:300]
        raise kind(f"is not readable YAML: {type(error).__name__} {reason}", source=source) from error


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML without aliases, duplicate keys and unlimited nesting."""

    deepest: ClassVar[int]

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def check_node_event(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise _refused("aliases (*) are not read; write the value out", event)

    def check_mapping_key(self, key: yaml.Node) -> None:
        pass

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        self.check_node_event(event)
        self._depth += 1
        if self._depth > self.deepest:
            raise _refused(f"nested deeper than {self.deepest}", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        seen = set()
        for key, _ in node.value:
            self.check_mapping_key(key)
            if isinstance(key, yaml.ScalarNode) and (key.value in seen or seen.add(key.value)):  # type: ignore[func-returns-value]
                raise _refused(f"duplicate key {key.value[:80]!r}", key)
        return super().construct_mapping(node, deep=deep)


class _SettingsLoader(_StrictLoader):
    """Also without anchors and tags; numbers as people write them."""

    deepest = 16
    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _PLAIN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def check_node_event(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused("anchors (&) and aliases (*) are not read; write the value out", event)
        if getattr(event, "tag", None) is not None:
            raise _refused("tags (!) are not read; write the value without", event)

    def check_mapping_key(self, key: yaml.Node) -> None:
        if key.tag != _TEXT:
            raise _refused("a setting's name must be text", key)


class _TextLoader(_StrictLoader):
    """Every scalar is text."""

    deepest = 32
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  PyYAML's own attribute


for _tag, _pattern in _NUMBERS.items():
    _SettingsLoader.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))


def _refused(problem: str, node: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
