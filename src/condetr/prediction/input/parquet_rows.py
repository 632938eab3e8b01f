"""The rows of Parquet files as images: encoded in a column, or files whose paths are in one."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

from condetr.core.errors import CondetrError, DataError, UsageError
from condetr.files.image_table import LONGEST_NAME, ImageTable, Row
from condetr.images.decoding.sources import MOST_BYTES, Readable, open_source

_DIGITS = 8  # of row numbers in names of results


class Found(NamedTuple):
    """An image of a table, or what is wrong in its place: its name, where its results are filed, its content."""

    name: str
    relative_path: PurePath
    content: "StoredRow | str | CondetrError"


class StoredRow(Readable):
    """An encoded image in a table with the ``read`` of a binary stream; it is read when that is called."""

    def __init__(self, name: str, table: ImageTable, row: Row) -> None:
        self.name, self._table, self._row = name, table, row

    def read(self, size: int = -1) -> bytes:
        """The whole image, or its first bytes.

        Raises:
            DataError: the row has no image, or the file is damaged.
        """
        content = self._table.content(self._row)
        if content is None:
            raise DataError("has no image", source=self.name)
        if len(content) > MOST_BYTES:
            raise DataError(f"has {len(content)} bytes, more than {MOST_BYTES}", source=self.name)
        return content if size < 0 else content[:size]


def images_in_table(path: str, opened: Callable[[], Any] | None = None) -> Iterator[Found]:
    """Every row of a Parquet file, named by its path where all paths differ, else ``table.parquet#row=17``, from 0.

    Args:
        path: of the file, or its address.
        opened: opens it as a binary stream; by default the file is on disk. Then rows without encoded images are paths
            of image files, relative to its folder.

    Raises:
        UsageError: it cannot be read, or no column holds images.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        table = ImageTable(path, opened or partial(open_source, path))
        table.check_images(encoded=opened is not None)
        has_names = table.contents is not None and table.has_names()
    except DataError as error:
        raise UsageError(error.reason, source=path, hint=error.hint) from error
    return _rows_of(path, table, has_names=has_names)


def _rows_of(path: str, table: ImageTable, *, has_names: bool) -> Iterator[Found]:
    top = PurePath(PurePath(path).name)
    paths = table.values(table.paths) if table.paths is not None and (has_names or table.contents is None) else None
    for number, row in enumerate(table.rows):
        name, relative_path = f"{path}#row={number}", top / f"row-{number:0{_DIGITS}d}"
        try:
            stated = next(paths, None) if paths is not None else None
        except DataError as error:
            yield Found(path, top, error)
            return
        if table.contents is None:
            yield _file_of(path, stated, name, relative_path)
            continue
        if has_names:
            inside = PurePosixPath(str(stated))
            name, relative_path = f"{path}/{inside}", top / inside
        yield Found(name, relative_path, StoredRow(name, table, row))


def _file_of(table: str, stated: Any, name: str, relative_path: PurePath) -> Found:
    """The image file that a row names; its path is read as in lists."""
    if not isinstance(stated, str) or not stated.strip():
        return Found(name, relative_path, DataError("has no path", source=name))
    if "\0" in stated or len(stated) > LONGEST_NAME:
        return Found(name, relative_path, DataError("has a path that no file can have", source=name))
    path = PurePath(stated)
    below = PurePath(path.name) if path.is_absolute() or ".." in path.parts else path
    file = os.path.join(Path(table).parent, stated)  # noqa: PTH118  as written, so that the name stays
    return Found(file, below, file)
