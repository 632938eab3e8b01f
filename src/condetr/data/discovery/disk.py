"""Files and folders on the disk, whatever their names, without those that systems and tools keep for themselves."""

import os
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from condetr.core.errors import StorageError
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.files.inside import exists

_HIDDEN = frozenset({"thumbs.db", "desktop.ini", "@eadir", "__macosx", "$recycle.bin"})


def is_hidden(name: str) -> bool:
    """Whether a program keeps this file or folder for itself: `.git`, `._a.jpg`, `.ipynb_checkpoints`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in _HIDDEN


def visible(folder: Path, pattern: str) -> list[Path]:
    """What the pattern matches in a folder, by name, without hidden files and folders."""
    paths = (path for path in folder.glob(pattern) if path != folder)
    return sorted(path for path in paths if not any(map(is_hidden, path.relative_to(folder).parts)))


def with_ending(folder: Path, *endings: str) -> list[Path]:
    """The files of a folder with one of these endings, in upper or lower case, by name, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not is_hidden(entry.name)]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if os.path.splitext(name)[1].lower() in endings]  # noqa: PTH122


def folders_below(folder: Path, *, deepest: int = 3) -> Iterator[Path]:
    """The folder and those below it, down to this level, by name, without hidden ones and links."""
    yield folder
    if deepest:
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return
        for name in sorted(name for name in names if not is_hidden(name)):
            yield from folders_below(folder / name, deepest=deepest - 1)


def check_listable(folder: Path) -> None:
    """Refuse a folder that cannot be listed, which `glob` would take for an empty one.

    Raises:
        StorageError: it cannot be listed.
    """
    try:
        with os.scandir(folder):
            return
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror or error}", source=folder) from error


def is_folder(path: Path) -> bool:
    return os.path.isdir(path) if _is_possible(path) else False  # noqa: PTH112  Path.is_dir raises on long names


def is_file(path: Path) -> bool:
    return os.path.isfile(path) if _is_possible(path) else False  # noqa: PTH113  Path.is_file raises on long names


def absence_of(path: Path) -> str:
    """The reason why there is nothing at a path."""
    try:
        os.stat(path)  # noqa: PTH116  Path.stat is the same
    except ValueError:
        return "is no possible file name"
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "is neither a file nor a folder"


def slashed(name: str) -> str:
    """The name with the slashes of this system, if it was written on Windows."""
    return PureWindowsPath(name).as_posix() if "\\" in name else name


def found_below(root: Path, name: str) -> Path | None:
    """What a path of another machine or folder means below ``root``: the longest end of it that exists there."""
    parts = [part for part in slashed(name).split("/") if part not in ("", ".")]
    parts = parts[max((at for at, part in enumerate(parts) if part == ".."), default=-1) + 1 :]
    for first in range(len(parts)):
        path = root.joinpath(*parts[first:])
        if exists(path):
            return path
    return None


def walk(top: Path, report: DataReport | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below ``top`` with the names of its files. Links to folders are not followed.

    Raises:
        StorageError: a folder cannot be read.
    """
    for at, folders, names in os.walk(top, onerror=_refuse):
        here = Path(at)
        if report is not None:
            for name in sorted(filter(is_hidden, (*folders, *names))):
                report.add(ProblemKind.HIDDEN, "is skipped", source=here / name)
            for name in sorted(name for name in folders if not is_hidden(name) and (here / name).is_symlink()):
                report.add(ProblemKind.LINKED_FOLDER, "is a link to a folder", source=here / name)
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield here, sorted(name for name in names if not is_hidden(name))


def _is_possible(path: Path) -> bool:
    return "\0" not in str(path)


def _refuse(error: OSError) -> None:
    raise StorageError(f"cannot be read: {error.strerror or error}", source=error.filename) from error
