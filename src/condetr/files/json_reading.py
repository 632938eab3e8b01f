"""JSON that a stranger wrote: any size, nothing in it guessed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from condetr.core.errors import AnnotationError, StorageError

Trim: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


def read_json(path: Path, *, trim: Trim | None = None) -> Any:
    """The value in a JSON file of UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Args:
        path: the file.
        trim: is given every object as soon as it is read, and answers with what to keep of it.

    Raises:
        AnnotationError: it is not JSON, or an object has a key twice.
        StorageError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror or error}", source=path) from error
    try:
        text = content.decode(json.detect_encoding(content))
        del content
        return json.loads(text, object_pairs_hook=_unique(trim))
    except UnicodeDecodeError as error:
        reason = f"is not {error.encoding} text at byte {error.start}, so not JSON"
        raise AnnotationError(reason, source=path) from None
    except RecursionError:
        raise AnnotationError("is nested too deeply for JSON of annotations", source=path) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise AnnotationError(f"is not valid JSON: {error.msg}", source=path, item=where) from None
    except ValueError as error:  # a number of thousands of digits, a key that stands twice
        raise AnnotationError(f"is not usable JSON: {error}", source=path) from None


def _unique(trim: Trim | None) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def table_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise ValueError(f"duplicate key {twice[:80]!r}: it stands twice in one object")
        return table if trim is None else trim(table)

    return table_of
