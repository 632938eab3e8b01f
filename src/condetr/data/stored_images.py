"""Images that have no file of their own: they are parts of a tar archive, or rows of a Parquet file."""

import os
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from condetr.core.errors import CondetrError, ImageError
from condetr.files.image_table import ImageTable, Row
from condetr.images.decoding.sources import MOST_BYTES, Readable, open_source

TABLES = (".parquet", ".pq")
_OPEN_TABLES = 4  # of a process


class ImagePart(NamedTuple):
    """Where an image is in the file that holds it.

    Attributes:
        depth: how many parts at the end of the image's path are its name in that file.
        first: in a tar archive the offset of its first byte; in a Parquet file the number of its row group.
        second: its size in bytes; its position in the row group.
    """

    depth: int
    first: int
    second: int


class StoredImage(Readable):
    """An image with the ``read`` of a binary stream; it is read when that is called, in any thread or process."""

    def __init__(self, path: Path, part: ImagePart) -> None:
        """``path`` is that of the file that holds it, with its name in there as if that were a folder."""
        self.name, self._part = str(path), part
        self._file = str(path.parents[part.depth - 1])

    def read(self, size: int = -1) -> bytes:
        """The whole image, or its first bytes.

        Raises:
            ImageError: the file ends before, cannot be read, or has no such image any more.
        """
        try:
            content = self._of_table() if self._file.lower().endswith(TABLES) else self._of_archive()
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror or error}", source=self.name) from error
        except CondetrError as error:
            raise ImageError(error.reason, source=self.name, hint=error.hint) from error
        return content if size < 0 else content[:size]

    def _of_archive(self) -> bytes:
        _, offset, size = self._part
        if size > MOST_BYTES:
            raise ImageError(f"has {size} bytes, more than {MOST_BYTES}", source=self.name)
        with open_source(self._file) as stream:
            stream.seek(offset)
            content = stream.read(size)
        if len(content) < size:
            raise ImageError(f"is cut off: {self._file} ends too early", source=self.name)
        return content

    def _of_table(self) -> bytes:
        status = os.stat(self._file)  # noqa: PTH116  Path.stat is the same
        table = _table(self._file, (status.st_size, status.st_mtime_ns), os.getpid())
        content = table.content(Row(self._part.first, self._part.second))
        if content is None:
            raise ImageError("has no image", source=self.name)
        return content


@lru_cache(maxsize=_OPEN_TABLES)
def _table(path: str, state: tuple[int, int], process: int) -> ImageTable:  # noqa: ARG001  a fork shares offsets
    table = ImageTable(path, partial(open_source, path))
    table.check_images(encoded=True)
    return table
