"""Text and YAML files of a dataset, read within bounds."""

import json
import re
from pathlib import Path
from typing import Any

from condetr.core.errors import AnnotationError, StorageError
from condetr.files.yaml_reading import text_yaml

LARGEST = 64 * 2**20  # bytes; the list of a million images


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 where its first bytes say so.

    Raises:
        AnnotationError: it is too large, or not text.
        StorageError: it cannot be read.
    """
    try:
        if not path.is_file():
            raise AnnotationError("is not a file", source=path)
        if path.stat().st_size > LARGEST:
            raise AnnotationError(f"is larger than {LARGEST} bytes, too large for labels", source=path)
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise StorageError(f"cannot be read: {getattr(error, 'strerror', None) or error}", source=path) from error
    return decoded(content, path)


def decoded(content: bytes, source: object) -> str:
    """Decode bytes to text.

    Raises:
        AnnotationError: they are not UTF-8, UTF-16 or UTF-32. Other encodings cannot be detected, so none is tried.
    """
    encoding = json.detect_encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        reason = f"is not {encoding.upper().removesuffix('-SIG')} text at byte {error.start}"
        raise AnnotationError(reason, source=source, hint="save it as UTF-8") from None
    if "\0" in text:
        raise AnnotationError(f"holds a NUL at character {text.index(chr(0))}, so it is not text", source=source)
    return text.removeprefix("\ufeff")


def lines_of(text: str) -> list[str]:
    """The lines without line ends; other line separators of Unicode may be part of a file name."""
    return re.split(r"\r\n|\n|\r", text)


def yaml_of(path: Path) -> Any:
    """The value in a YAML file: mappings, lists and unconverted text.

    Raises:
        AnnotationError: it is not readable.
        StorageError: the file cannot be read.
    """
    return text_yaml(text_of(path), source=path)
