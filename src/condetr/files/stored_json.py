"""Reading JSON that a stranger wrote."""

import json
from pathlib import Path
from typing import Any

from condetr.core.errors import CheckpointError

LARGEST = 32 * 2**20  # bytes; the index of a large sharded model has a few


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        CheckpointError: the file is missing, too large, no JSON, or its outermost value is no object.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise CheckpointError(f"is larger than {LARGEST} bytes, too large for settings", source=path)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror or error}", source=path) from None
    except UnicodeDecodeError:
        raise CheckpointError("is no JSON: not text in UTF-8", source=path) from None
    return json_object(text, path)


def json_object(text: str, source: object) -> dict[str, Any]:
    """The object that a JSON text says; a key must not stand in it twice."""
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"is no valid JSON: {error}", source=source) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"holds a JSON {type(value).__name__}, expected an object", source=source)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"duplicate key {twice!r}")
    return table
