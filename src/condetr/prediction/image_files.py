"""The image files below a folder, in alphabetical order, each once, with links followed safely."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from condetr.core.errors import DataError
from condetr.images.file_endings import has_image_ending

_ARCHIVES = re.compile(r"\.(zip|tar|t?gz|t?bz2|t?xz|zst|7z|rar)", re.IGNORECASE)
_VIDEOS = re.compile(r"\.(mp4|m4v|mov|avi|mkv|webm|wmv|flv|mpe?g|mts|m2ts|3gp|ogv)", re.IGNORECASE)
_RESULTS = ("run.json", "predictions.jsonl")  # in every output folder of condetr predict
_logger = logging.getLogger(__name__)


def images_under(folder: str, *, apart_from: Path | None = None) -> Iterator[str | DataError]:
    """Paths of image files, and an error for every folder that cannot be opened; hidden entries are skipped.

    Links to folders are followed, but no folder is entered twice, nor one that contains ``folder``, nor the
    results of an earlier run.
    """
    entered = {_identity(above) for above in (Path(folder).resolve(), *Path(folder).resolve().parents)}
    pending: list[tuple[str, bool]] = [(folder, True)]
    others: list[str] = []
    while pending:
        path, is_folder = pending.pop()
        if not is_folder:
            if has_image_ending(path):
                yield path
            else:
                others.append(path)
            continue
        try:
            if path != folder:
                identity = _identity(path)
                if identity in entered or (apart_from is not None and _is_same(path, apart_from)):
                    continue
                entered.add(identity)
            entries = _entries(path)
            if path != folder and {os.path.join(path, name) for name in _RESULTS} <= {entry for entry, _ in entries}:  # noqa: PTH118
                _logger.info("%s: skipped: contains results of an earlier run", path)
                continue
            pending += reversed(entries)
        except OSError as error:
            yield DataError(f"cannot be read: {error.strerror}", source=path)
    _report(folder, others)


def with_image_names(source: str, paths: Iterable[str]) -> Iterator[str]:
    """The ``paths`` with the name of an image file or of one that holds images, without folders."""
    others = []
    for path in paths:
        if (has_image_ending(path) or holds_images(path)) and not Path(path).is_dir():
            yield path
        else:
            others.append(path)
    _report(source, others)


def has_archive_name(path: str) -> bool:
    return _ARCHIVES.fullmatch(_suffix(path)) is not None


def has_video_name(path: str) -> bool:
    return _VIDEOS.fullmatch(_suffix(path)) is not None


def holds_images(path: str) -> bool:
    """Whether this is the name of an archive, a PDF document or a Parquet file."""
    return has_archive_name(path) or is_pdf(path) or is_parquet(path)


def is_parquet(path: str) -> bool:
    return _suffix(path) in (".parquet", ".pq")


def is_pdf(path: str) -> bool:
    return _suffix(path) == ".pdf"


def _entries(folder: str) -> list[tuple[str, bool]]:
    with os.scandir(folder) as entries:
        named = sorted((entry.name, entry.path, _is_folder(entry)) for entry in entries)
    return [(path, is_folder) for name, path, is_folder in named if not name.startswith(".")]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(path: str | Path) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def _is_same(path: str, folder: Path) -> bool:
    """Whether a path is this folder, which may be made while the images are listed."""
    return folder.exists() and _identity(path) == _identity(folder)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122  a Path cannot hold every string


def _report(source: str, others: list[str]) -> None:
    for path in others:
        if has_archive_name(path) or has_video_name(path) or is_parquet(path):
            _logger.warning("%s: skipped: archives, Parquet files and videos in a folder are not read", path)
    counts = Counter(_suffix(path) or "without extension" for path in others)
    if counts:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())
        _logger.info("%s: ignored %d files without the extension of an image (%s)", source, len(others), kinds)
