"""Images in a column of a Parquet file, one for each row: encoded, or the paths of image files.

A row group is read in small batches, and only as far as needed, so memory does not grow with the file.
"""

import hashlib
import importlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from condetr.core.errors import CondetrError, DataError, MissingExtraError, first_line_of
from condetr.core.short_repr import short_repr
from condetr.files.inside import leads_outside

CONTENT_COLUMNS = (
    "image",
    "img",
    "image_bytes",
    "bytes",
    "content",
    "data",
    "jpg",
    "jpeg",
    "png",
    "webp",
    "tif",
    "gif",
)
PATH_COLUMNS = ("path", "image_path", "file_name", "filename", "file", "filepath", "file_path", "image")
EXPECTED = "a column of encoded images, such as image or bytes, or one of paths, such as path or file_name"
LONGEST_NAME = 1024
_BATCH = 8  # rows that are decompressed at once
_KEPT_BYTES = 32 << 20  # of rows that were passed over


class Row(NamedTuple):
    """Where a row is: the number of its row group, and its position there."""

    group: int
    position: int


class ImageTable:
    """A file that threads may read from.

    Attributes:
        name: of the file.
        groups: how many rows each row group has.
        contents: the column of encoded images, None where there are only paths.
        paths: the column of paths, if there is one.
        columns: the names of all columns.
        metadata: what the writer added to the schema.
    """

    def __init__(self, name: str, opened: Callable[[], Any]) -> None:
        """Read the columns.

        Args:
            name: of the file.
            opened: returns it as a binary stream; called again in other processes.

        Raises:
            DataError: it is damaged, or no Parquet file.
            MissingExtraError: pyarrow is not installed.
        """
        self.name, self._opened = name, opened
        self._lock = threading.Lock()
        self._window: OrderedDict[Row, bytes | None] = OrderedDict()
        self._rest: tuple[int, Iterator[tuple[Row, Any]]] | None = None  # of a row group
        self._last = Row(-1, -1)
        with self._explained():
            library, stream = _parquet(), opened()
            weakref.finalize(self, stream.close)
            self._file = library.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 16)
            metadata, schema = self._file.metadata, self._file.schema_arrow
            self.groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
            self.columns = tuple(schema.names)
            self.metadata: dict[bytes, bytes] = dict(schema.metadata or {})
            self.contents = _contents_in(schema)
            self.paths = _paths_in(schema, self.contents)

    def check_images(self, *, encoded: bool = False) -> None:
        """Raises DataError where no column holds images, or, with ``encoded``, only their paths."""
        if encoded and self.contents is None and self.paths is not None:
            raise DataError("holds paths of images, not images", source=self.name, hint="give the folder of the images")
        if self.contents is None and self.paths is None:
            reason = f"has the columns {short_repr(list(self.columns))}, none of which holds images"
            raise DataError(reason, source=self.name, hint=f"expected {EXPECTED}")

    @property
    def rows(self) -> Iterator[Row]:
        """All rows, in order."""
        return (Row(group, position) for group, count in enumerate(self.groups) for position in range(count))

    def content(self, row: Row) -> bytes | None:
        """The encoded image of a row, None where it has none; reading on from the row before takes least time.

        Raises:
            DataError: the file is damaged, or changed.
        """
        assert self.contents is not None, "see check_images"
        with self._lock:
            if row not in self._window:
                self._read_to(row, self.contents)
            return self._window[row]

    def values(self, column: str) -> Iterator[Any]:
        """The Python values of a column, row by row, None for missing ones.

        Raises:
            DataError: the file is damaged.
        """
        for group in range(len(self.groups)):
            for _, value in self._values_of(group, column):
                yield None if value is None else value.as_py()

    def has_names(self) -> bool:
        """Whether the paths can name the images: all are different, and lead to no other folder."""
        return self.paths is not None and _are_names(self.values(self.paths))

    def _read_to(self, row: Row, column: str) -> None:
        if self._rest is None or self._rest[0] != row.group or row <= self._last:
            self._window.clear()
            self._rest = row.group, self._values_of(row.group, column)
        for at, value in self._rest[1]:
            content = None if value is None or not value.is_valid else value.as_py()
            self._window[at], self._last = content, at
            while len(self._window) > 1 and sum(len(kept or b"") for kept in self._window.values()) > _KEPT_BYTES:
                self._window.popitem(last=False)
            if at == row:
                return
        raise DataError(f"has no row {row.position} in row group {row.group} any more", source=self.name)

    def _values_of(self, group: int, column: str) -> Iterator[tuple[Row, Any]]:
        top, _, inner = column.partition(".")
        position = 0
        with self._explained():
            batches = self._file.iter_batches(_BATCH, row_groups=[group], columns=[column], use_threads=False)
        while True:
            with self._explained():
                batch = next(batches, None)
                if batch is None:
                    return
                values = batch.column(top)
                values = values.field(inner) if inner else values
            for value in values:
                yield Row(group, position), value if value.is_valid else None
                position += 1

    def _explained(self) -> "_Explained":
        return _Explained(self.name)

    def __reduce__(self) -> Any:
        return ImageTable, (self.name, self._opened)


class _Explained:
    """Whatever the library raises becomes a DataError."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, CondetrError | MemoryError):
            reason = f"cannot be read as Parquet: {first_line_of(error)}"
            raise DataError(reason, source=self._name, hint="check the file") from error


def _parquet() -> Any:
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", "a Parquet file") from None


def _contents_in(schema: Any) -> str | None:
    """The column of encoded images: of bytes, or ``bytes`` in a column of the library `datasets`."""
    named = [schema.field(name) for name in CONTENT_COLUMNS if name in schema.names]
    others = [field for field in schema if field not in named and len(_inner(field))]
    for field in (*named, *others):
        if _is_bytes(field):
            return str(field.name)
        if any(inner.name == "bytes" and _is_bytes(inner) for inner in _inner(field)):
            return f"{field.name}.bytes"
    return None


def _paths_in(schema: Any, contents: str | None) -> str | None:
    """The column of paths: beside the bytes of a column of `datasets`, or by its name."""
    top = (contents or "").partition(".")[0]
    if top and any(inner.name == "path" and _is_text(inner) for inner in _inner(schema.field(top))):
        return f"{top}.path"
    return next((name for name in PATH_COLUMNS if name in schema.names and _is_text(schema.field(name))), None)


def _inner(field: Any) -> list[Any]:
    return [field.type.field(at) for at in range(field.type.num_fields)] if str(field.type).startswith("struct") else []


def _is_bytes(field: Any) -> bool:
    return str(field.type) in ("binary", "large_binary", "binary_view")


def _is_text(field: Any) -> bool:
    return str(field.type) in ("string", "large_string", "string_view")


def _are_names(paths: Iterator[Any]) -> bool:
    seen = set[bytes]()
    for path in paths:
        if not isinstance(path, str) or len(path) > LONGEST_NAME or "\\" in path or leads_outside(path):
            return False
        parts = PurePosixPath(path)
        if not parts.parts:
            return False
        digest = hashlib.blake2b(str(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in seen:
            return False
        seen.add(digest)
    return True
