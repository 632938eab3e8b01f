"""Rows of CSV files of any size, by the names in their first line."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from condetr.core.errors import AnnotationError, StorageError


def rows_of(
    path: Path, *, delimiter: str = ",", names: Sequence[str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of each line and its fields, without the `#` before the names of some tools.

    Args:
        path: the file.
        delimiter: between fields.
        names: of the fields, where the first line has none.

    Raises:
        AnnotationError: it is not UTF-8 text, or no CSV.
        StorageError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter)
            if names is None:
                names = [name.strip().lstrip("#") for name in next(reader, [])]
            for fields in reader:
                if any(fields):
                    yield reader.line_num, dict(zip(names, fields, strict=False))
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text: {error.reason} {error.object[error.start : error.start + 1]!r}"
        raise AnnotationError(reason, source=path, hint="save it as UTF-8") from None
    except csv.Error as error:
        raise AnnotationError(f"is not usable CSV: {error}", source=path) from error
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror or error}", source=path) from error
