"""Images in tar archives (WebDataset shards are such) and zip archives, read member by member without unpacking them.

Members are never written to disk under their names, so a hostile name can do no harm there. Names that lead out of the
archive, links, encrypted members and members that are too large are not read.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePath, PurePosixPath
from typing import NamedTuple

from condetr.core.errors import CondetrError, DataError, UsageError
from condetr.files.archive_members import DAMAGES, LONGEST_NAME, Entry, refusal_of, tar_members, zip_members
from condetr.images.decoding.sources import MOST_BYTES, Readable
from condetr.images.file_endings import has_image_ending

_TAR, _ZIP = (".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz"), ".zip"
_logger = logging.getLogger(__name__)


class Member(Readable):
    """An image in an archive, with the ``read`` of a binary stream; it is read when that is called, in any thread."""

    def __init__(self, name: str, read: Callable[[], bytes]) -> None:
        self.name, self._read = name, read

    def read(self, size: int = -1) -> bytes:
        """The whole content; raises OSError where it is damaged."""
        try:
            content = self._read()
        except DAMAGES as error:
            raise OSError(f"the archive is damaged: {error}") from error
        return content if size < 0 else content[:size]


class Found(NamedTuple):
    """An image of an archive, or what is wrong in its place: its name, where its results are filed, its content."""

    name: str
    relative_path: PurePath
    content: "Member | CondetrError"


def images_in_archive(path: str) -> Iterator[Found]:
    """Every image, in the order of the archive. A compressed tar archive is first expanded into a temporary file.

    Raises:
        UsageError: it cannot be opened.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in (*_TAR, _ZIP):
        raise UsageError(f"is an archive, and those of kind {suffix} are not read", source=path, hint="unpack it")
    try:
        members = zip_members(path) if suffix == _ZIP else tar_members(path)
        first = next(members, None)
    except DAMAGES as error:
        if isinstance(error, CondetrError):
            raise
        raise UsageError(f"cannot be read as an archive: {error}", source=path, hint="check the file") from error
    return _images_of(path, first, members)


def _images_of(path: str, first: "Entry | None", rest: "Iterator[Entry]") -> Iterator[Found]:
    top, skipped, number = PurePath(PurePath(path).name), Counter[str](), 0
    entry = first
    while entry is not None:
        number += 1
        parts = PurePosixPath(entry.name).parts
        if not has_image_ending(entry.name) or any(part.startswith(".") and part != ".." for part in parts):
            skipped["not images"] += 1
        elif (refusal := refusal_of(entry, MOST_BYTES)) is not None:
            # under a name that no file has, so that it stands for no other image
            name = f"{path}#{number}"
            error = DataError(refusal, source=name, item=entry.name[:LONGEST_NAME], hint="write the archive anew")
            yield Found(name, top / str(number), error)
        else:
            name = f"{path}/{'/'.join(parts)}"
            yield Found(name, top.joinpath(*parts), Member(name, entry.read))
        try:
            entry = next(rest, None)
        except DAMAGES as error:
            yield Found(path, top, DataError(f"is damaged behind member {number}: {error}", source=path))
            break
    for kind, count in skipped.items():
        _logger.info("%s: ignored %d members that are %s", path, count, kind)
