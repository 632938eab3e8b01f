"""Images that have no file of their own, written to one: a dataset reads its images from files."""

import hashlib
import os
from functools import partial
from pathlib import Path

from condetr.data.checks.data_report import DataProblem
from condetr.data.checks.problems import ProblemKind
from condetr.files.atomic_write import write_files

_ENDINGS = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"GI": ".gif", b"BM": ".bmp", b"RI": ".webp", b"II": ".tif"}


def folder_of_cache() -> Path:
    """`condetr` in the cache of the user: `XDG_CACHE_HOME`, or `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "condetr"


def ending_of(content: bytes) -> str:
    """The usual ending of the file of an image; "" for an unknown format."""
    return _ENDINGS.get(content[:2], "")


def unpacked(content: bytes) -> Path:
    """The file of an image, which is named after its bytes and written once.

    Raises:
        DataProblem: they are no image of a known format.
        StorageError: it cannot be written.
    """
    ending = ending_of(content)
    if not ending:
        raise DataProblem(ProblemKind.UNREADABLE_PICTURE, "holds an image of no known format")
    name = hashlib.sha256(content).hexdigest()[:40]
    path = folder_of_cache() / "images" / name[:2] / f"{name}{ending}"
    if not path.is_file() or path.stat().st_size != len(content):
        write_files(path.parent, {path.name: partial(_write, content)}, to_disk=False)
    return path


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)
