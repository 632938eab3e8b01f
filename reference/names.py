"""Pages of every name of the package ``condetr``, from signatures and docstrings."""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import condetr
from reference.markdown import code, from_docstring, table

FRIENDLY = ("load", "Detector", "Detections", "Predictor", "Failure", "Video", "Explanation", "StopTraining")


def exported() -> list[str]:
    return [
        name
        for name in dir(condetr)
        if not name.startswith("_")
        and name not in ("TYPE_CHECKING", "Any", "import_module")
        and not isinstance(getattr(condetr, name), ModuleType)
    ]


def name_pages() -> dict[str, str]:
    """Text by file name."""
    names = exported()
    errors = [name for name in names if inspect.isclass(getattr(condetr, name)) and name.endswith("Error")]
    shaped = [name for name in names if name not in (*FRIENDLY, *errors)]
    return {
        "python.md": _page("condetr in Python", FRIENDLY),
        "transformers.md": _page("Classes that are shaped like transformers'", shaped),
        "errors.md": _page("Errors", errors),
    }


def _page(title: str, names: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    listed = list(names)
    rows = [(f"[{code(name)}](#{name.lower()})", _first_line(getattr(condetr, name))) for name in listed]
    return "\n\n".join([f"# {title}", table(("name", "what it is"), rows), *(_section(name) for name in listed)])


def _section(name: str) -> str:
    thing = getattr(condetr, name)
    parts = [f"## {name}", _signature(name, thing), from_docstring(thing.__doc__)]
    if inspect.isclass(thing):
        parts += [_member(name, member, value) for member, value in _members(thing)]
    return "\n\n".join(part for part in parts if part)


def _members(kind: type) -> list[tuple[str, Any]]:
    """Public methods and properties that it defines, or inherits from classes of condetr."""
    own = [base for base in kind.__mro__ if base.__module__.startswith("condetr")]
    found: dict[str, Any] = {}
    for base in own:
        for name, value in vars(base).items():
            if not name.startswith("_") and name not in found and _is_documented(value):
                found[name] = value
    return list(found.items())


def _is_documented(value: Any) -> bool:
    inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return (inspect.isfunction(inner) or isinstance(inner, property)) and bool(inspect.getdoc(inner))


def _member(owner: str, name: str, value: Any) -> str:
    inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    heading = f"### {owner}.{name}"
    if isinstance(inner, property):
        return f"{heading}\n\n{from_docstring(inner.__doc__)}"
    return f"{heading}\n\n{_signature(name, inner)}\n\n{from_docstring(inner.__doc__)}"


def _signature(name: str, thing: Any) -> str:
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    parts = []
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        default = "" if parameter.default is parameter.empty else f"={_value(parameter.default)}"
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts and not any(p[:1] == "*" for p in parts):
            parts.append("*")
        parts.append(f"{star}{parameter.name}{default}")
    line = f"{name}({', '.join(parts)})"
    if len(line) > 100:
        line = f"{name}(\n    " + ",\n    ".join(parts) + ",\n)"
    return f"```text\n{line}\n```"


def _value(value: Any) -> str:
    text = repr(value)
    return text if " at 0x" not in text else type(value).__name__


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n")[0].replace("``", "`")
