"""Whether anything changed in some folders: names, sizes and times of all files in them."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Watched:
    """Files and folders, each by its absolute path.

    Attributes:
        trees: of which everything below counts; or single files.
        folders: of which only the files directly in them count, and the names of the folders.
    """

    trees: tuple[Path, ...]
    folders: tuple[Path, ...] = ()

    @classmethod
    def outermost(cls, trees: Iterable[Path], folders: Iterable[Path]) -> "Watched":
        """In order, without those that lie in one of the trees."""
        kept: list[Path] = []
        for path in sorted(set(trees), key=lambda path: path.parts):
            if not kept or not path.is_relative_to(kept[-1]):
                kept.append(path)
        inside = set(kept)
        return cls(
            tuple(kept), tuple(sorted(path for path in set(folders) if inside.isdisjoint((path, *path.parents))))
        )


def state_of(watched: Watched) -> str:
    """A hash of the names, sizes and modification times of all that is watched.

    Links are followed, and each folder is listed once. What is missing or cannot be listed is part of the state.
    """
    content = hashlib.sha256()
    seen: set[tuple[int, int]] = set()
    for path in watched.trees:
        _add(path, content, seen, deep=True)
    for path in watched.folders:
        _add(path, content, seen, deep=False)
    return content.hexdigest()


def _add(path: Path, content: "hashlib._Hash", seen: set[tuple[int, int]], *, deep: bool) -> None:
    content.update(os.fsencode(path) + b"\0")
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        content.update(f"{type(error).__name__}\0".encode())
        return
    if not os.path.isdir(path):  # noqa: PTH112  Path.is_dir does the same
        content.update(f"{status.st_size} {status.st_mtime_ns}\0".encode())
        return
    levels = [(str(path), (status.st_dev, status.st_ino))]
    while levels:
        folder, identity = levels.pop()
        if identity in seen:
            continue
        seen.add(identity)
        content.update(os.fsencode(folder) + b"\0")
        rows, inner = _listed(folder)
        content.update("\0".join(rows).encode("utf-8", "surrogateescape") + b"\0\0")
        levels += inner if deep else []


def _listed(folder: str) -> tuple[Sequence[str], list[tuple[str, tuple[int, int]]]]:
    """A row for everything in a folder, by name, and the folders in it."""
    rows, inner = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except OSError as error:  # a broken link
                    rows.append(f"{entry.name}\0{type(error).__name__}")
                    continue
                if entry.is_dir():
                    rows.append(f"{entry.name}\0folder")
                    inner.append((entry.path, (status.st_dev, status.st_ino)))
                else:
                    rows.append(f"{entry.name}\0{status.st_size} {status.st_mtime_ns}")
    except OSError as error:
        rows.append(f"\0{type(error).__name__}")
    return sorted(rows), sorted(inner, reverse=True)
