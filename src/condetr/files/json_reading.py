"""Reading JSON files of unknown origin: duplicate keys are refused, errors name the file and the line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from condetr.core.errors import AnnotationError, CheckpointError, CondetrError, StorageError

_LARGEST_SETTINGS = 32 * 2**20  # bytes; the index of a large sharded model has a few

Trim: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


def read_json(path: Path, *, trim: Trim | None = None) -> Any:
    """The value in a JSON file of any size, in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Args:
        path: the file.
        trim: called with every object as soon as it is read; returns what to keep of it.

    Raises:
        AnnotationError: it is not JSON, or an object has a duplicate key.
        StorageError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror or error}", source=path) from error
    try:
        text = content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as error:
        reason = f"is not {error.encoding} text at byte {error.start}, so not JSON"
        raise AnnotationError(reason, source=path) from None
    del content
    return _parsed(text, path, AnnotationError, trim)


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a stored model.

    Raises:
        CheckpointError: the file is missing, too large, not JSON, or its outermost value is not an object.
    """
    try:
        if path.stat().st_size > _LARGEST_SETTINGS:
            raise CheckpointError(f"is larger than {_LARGEST_SETTINGS} bytes, too large for settings", source=path)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror or error}", source=path) from None
    except UnicodeDecodeError as error:
        raise CheckpointError(f"is not UTF-8 text at byte {error.start}, so not JSON", source=path) from None
    return json_object(text, path)


def json_object(text: str, source: object) -> dict[str, Any]:
    """The object that a JSON text holds.

    Raises:
        CheckpointError: it is not JSON, an object has a duplicate key, or the outermost value is not an object.
    """
    value = _parsed(text, source, CheckpointError)
    if not isinstance(value, dict):
        raise CheckpointError(f"holds a JSON {type(value).__name__}, expected an object", source=source)
    return value


def _parsed(text: str, source: object, kind: type[CondetrError], trim: Trim | None = None) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            seen: set[str] = set()
            duplicate = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise ValueError(f"duplicate key {duplicate[:80]!r} in one object")
        return table if trim is None else trim(table)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise kind("is not usable JSON: nested too deeply", source=source) from None
    except json.JSONDecodeError as error:
        line = f"line {error.lineno} column {error.colno}"
        raise kind(f"is not valid JSON: {error.msg}", source=source, item=line) from None
    except ValueError as error:  # a number of thousands of digits, a duplicate key
        raise kind(f"is not usable JSON: {error}", source=source) from None
