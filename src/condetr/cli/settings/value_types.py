"""Values of settings files, read by the annotation of their field."""

import math
import os
import re
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from condetr.core.errors import SettingsError

LONGEST_SHOWN = 80
LARGEST = 2**63  # no integer of torch or numpy is larger
LONGEST_NAME, LONGEST_PATH = 255, 4096  # bytes; common file systems allow no more


class _Unfit(Exception):  # noqa: N818  never leaves this file
    """The value is not of this kind; another one may be allowed."""


def read_value(kind: Any, value: Any, source: str | None, item: str) -> Any:
    """``value`` as the type ``kind``.

    Raises:
        SettingsError: it is of another kind.
    """
    allowed = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if isinstance(value, str | Path) and (wrong := what_is_wrong_with(value, is_path=Path in allowed)):
        raise SettingsError(wrong, source=source, item=item)
    for wanted in allowed:
        try:
            return _as_kind(wanted, value)
        except _Unfit:
            continue
    if str in allowed and type(value) is int:  # 640 for "640": written the same
        return str(value)
    has_words = any(get_origin(wanted) is Literal for wanted in allowed)
    if int in allowed and has_words and isinstance(value, str) and is_count(value):  # the "4" of a flag
        return int(value)
    if float in allowed and has_words and isinstance(value, str) and _is_decimal(value):
        return float(value)
    expected = " or ".join(_name_of(wanted) for wanted in allowed)
    hint = 'put text in quotes: "..."' if str in allowed and isinstance(value, bool | float) else None
    raise SettingsError(f"is {shown(value)}, expected {expected}", source=source, item=item, hint=hint)


def _as_kind(wanted: Any, value: Any) -> Any:
    if get_origin(wanted) is tuple:
        return _as_words(value, get_args(wanted)[0])
    if get_origin(wanted) is Literal and type(value) in (str, int) and value in get_args(wanted):
        return value
    if get_origin(wanted) is dict and isinstance(value, dict):
        return value
    if wanted is Path and isinstance(value, str | Path) and str(value):
        return Path(value)
    if wanted is float and ((type(value) is int and -LARGEST < value < LARGEST) or _is_scientific(value)):
        value = float(value)
    if wanted is float and type(value) is float and not math.isfinite(value):
        raise _Unfit
    if type(value) is wanted and (wanted is not int or -LARGEST < value < LARGEST):
        return value
    raise _Unfit


def what_is_wrong_with(text: str | Path, *, is_path: bool) -> str | None:
    """Why libraries would reject it as text or as a path; None where they do not."""
    if "\0" in str(text):
        return "holds a NUL character"
    try:
        written = os.fsencode(text)
    except UnicodeEncodeError:
        return f"is {shown(str(text))}, which is no text"
    if not is_path:
        return None
    longest = max(map(len, re.split(rb"[/\\]" if os.name == "nt" else b"/", written)))
    if longest > LONGEST_NAME:
        return f"holds a name of {longest} bytes, expected at most {LONGEST_NAME}"
    return f"is a path of {len(written)} bytes" if len(written) >= LONGEST_PATH else None


def _as_words(value: Any, wanted: Any) -> tuple[Any, ...]:
    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or "" in words:
        raise _Unfit
    return tuple(_as_kind(wanted, word) for word in words)


def is_count(text: str) -> bool:
    """Whether it is a whole number of at most nine digits; Python refuses to read thousands of them."""
    return text.isdecimal() and len(text) < 10


def _is_decimal(text: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d{0,20}|\.\d{1,20})", text) is not None and len(text) < 30


def _is_scientific(value: object) -> bool:
    """YAML 1.1 reads ``1e-4`` as text; it wants ``1.0e-4``. Both are numbers here."""
    return isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?e[-+]?\d{1,3}", value, re.IGNORECASE) is not None


def _name_of(kind: Any) -> str:
    if get_origin(kind) is Literal:
        words = ", ".join(map(str, get_args(kind)))
        return f"one of {words}" if len(get_args(kind)) > 1 else words
    if get_origin(kind) is tuple:
        return f"a list, each {_name_of(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return "a mapping"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}
    return names.get(kind, "nothing (null)")


def shown(value: Any) -> str:
    """The value for a message; the inside of a list or mapping may be endless and is left out."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return shortened(repr(value))


def shortened(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Without its middle, where it is too long for a message."""
    return text if len(text) <= longest else f"{text[: longest // 2]}...{text[3 - longest // 2 :]}"
