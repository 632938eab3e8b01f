"""Hints for options of other programs: ``--conf``, ``epochs=3``."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from condetr.api.option_names import OUR_WORDS
from condetr.cli.settings.settings_tree import flag_of
from condetr.cli.settings.value_types import shortened, what_is_wrong_with
from condetr.core.errors import UsageError

Known: TypeAlias = Mapping[str, bool]  # names of a command's settings and arguments; whether it is an argument
_ASSIGNED = re.compile(r"(\w[\w.-]*)=(.*)", re.DOTALL)
_EXTRA = re.compile(r"unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL)


def hint_for(error: Any) -> str | None:
    """A hint for an error of the parser, which has the command in its context."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    known = {param.name: param.param_type_name == "argument" for param in getattr(command, "params", ())}
    if (option := getattr(error, "option_name", None)) is not None:
        ours = _ours(str(option).lstrip("-"), known)
        return None if ours is None else f"condetr calls it {_written(ours, known)}"
    extra = _EXTRA.search(error.format_message())
    if extra is None or not any(map(_ASSIGNED.fullmatch, extra[1].split())):
        return None
    return _hint_for_assigned(extra[1].split(), known) or "settings are written --name VALUE, or --set NAME=VALUE"


def check_arguments(values: Iterable[object], known: Known) -> None:
    """Raises UsageError for what can be no path, or a ``name=value`` that stands where a path is expected."""
    for value in values:
        for word in value if isinstance(value, list | tuple) else (value,):
            if not isinstance(word, str | Path):
                continue
            if wrong := what_is_wrong_with(word, is_path="://" not in str(word)):
                raise UsageError(wrong, source=shortened(str(word)))
            if (hint := _hint_for_assigned([str(word)], known)) and not Path(word).exists():
                raise UsageError("is no path", source=word, hint=hint)


def _hint_for_assigned(words: Iterable[str], known: Known) -> str | None:
    for word in words:
        assigned = _ASSIGNED.fullmatch(word)
        if assigned is not None and (ours := _ours(assigned[1], known)) is not None:
            return f"write {_written(ours, known, assigned[2])}"
    return None


def _ours(name: str, known: Known) -> str | None:
    """The setting or argument that is meant, if the command has it."""
    name = name.replace("-", "_")
    meant = (name, f"{name}s", OUR_WORDS.get(name), "model" if name == "weights" else None)
    # Only training has settings within settings, which have no flags.
    return next(
        (option for option in meant if option in known or (option and "." in option and "accumulate" in known)), None
    )


def _written(name: str, known: Known, value: str | None = None) -> str:
    if "." in name:
        return f"--set {name}={value or 'VALUE'}"
    if known[name]:
        return value or f"{name.upper()}, without a flag"
    return flag_of(name) if value is None else f"{flag_of(name)} {value}"
