"""Text and YAML files of a data set, read within bounds."""

from pathlib import Path
from typing import Any

import yaml

from condetr.core.errors import AnnotationError, StorageError
from condetr.data.reasons import Reason
from condetr.data.report import Fault

_LARGEST = 64 * 2**20  # bytes; the list of a million pictures


def text_of(path: Path) -> str:
    """The text of a file in UTF-8.

    Raises:
        AnnotationError: it is too large, or no text.
        StorageError: it cannot be read.
    """
    try:
        if not path.is_file():
            raise AnnotationError("is not a file", source=path)
        if path.stat().st_size > _LARGEST:
            raise AnnotationError(f"is larger than {_LARGEST} bytes, too large for labels", source=path)
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(f"is not UTF-8 text at byte {error.start}", source=path) from None
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror or error}", source=path) from error


def labels_of(path: Path) -> str:
    """The text of a label file.

    Raises:
        Fault: it cannot be read.
    """
    try:
        return text_of(path)
    except (AnnotationError, StorageError) as error:
        raise Fault(Reason.BAD_LABELS, f"{path.name} {error.reason}") from error


def yaml_of(path: Path) -> Any:
    """The value in a YAML file without anchors, which could make a small file a huge value.

    Raises:
        AnnotationError: it is not readable.
        StorageError: the file cannot be read.
    """
    try:
        return yaml.load(text_of(path), Loader=_PlainLoader)  # noqa: S506  a SafeLoader, made stricter
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise AnnotationError(f"is not readable YAML: {' '.join(str(error).split())[:300]}", source=path) from error


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*) are not read; write the value out")
        return super().compose_node(parent, index)
