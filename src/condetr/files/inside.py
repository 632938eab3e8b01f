"""Paths that a file names, kept inside of a folder."""

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

from condetr.core.short_repr import short_repr


class OutsideFolderError(ValueError):
    """A name leads out of the folder that it must stay in."""


def path_inside(folder: Path, name: str, *, follow_links: bool = False) -> Path:
    """The absolute path of ``name`` in ``folder``; it need not exist.

    Args:
        folder: which the path must not leave.
        name: a relative path, or an absolute one that lies in the folder.
        follow_links: also refuse a link that leads out of the folder; otherwise only the name counts.

    Raises:
        OutsideFolderError: the path lies elsewhere, or starts with a drive of Windows.
    """
    absolute = os.path.realpath if follow_links else os.path.abspath
    path, top = Path(absolute(folder / name)), absolute(folder)
    foreign = PureWindowsPath(name).drive and not exists(folder / name)
    if foreign or not path.is_relative_to(top):
        raise OutsideFolderError(f"{short_repr(name)} leads outside of the folder {top}, which is not allowed")
    return path


def leads_outside(name: str) -> bool:
    """Whether a name that an archive or a table gives to an image is no path below it, or none that a file can have."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or bool(PureWindowsPath(name).drive) or "\0" in name


def exists(path: Path) -> bool:
    """Whether there is something, perhaps a broken link; False where no file can have this name."""
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False
