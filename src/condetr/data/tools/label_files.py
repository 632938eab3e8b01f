"""Where the label files of a tool lie: in the folder, or in folders below it, perhaps named after splits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from condetr.data.discovery.disk import folders_below, is_folder, with_ending
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import folder_of
from condetr.data.discovery.split_names import split_named

_HEAD = 2**16  # bytes that show what a file is
_TRIED = 20  # files of a folder that are opened to find one of the format


@dataclass(frozen=True, slots=True)
class ToolFiles:
    """How the label files of a tool are recognized, in a folder and one by one.

    Attributes:
        endings: of label files, in lower case; those of the first that a folder has are taken.
        is_label_file: whether a file has the format, by its first bytes.
        layout: how to read the files of a dataset in its folder, by split.
        one_an_image: whether each image has a label file; otherwise the name of a file says its split, too.
    """

    endings: tuple[str, ...]
    is_label_file: Callable[[Path], bool]
    layout: Callable[[Path, dict[str, list[Path]]], Layout]
    one_an_image: bool = False

    def in_folder(self, folder: Path) -> Layout | None:
        """The dataset of the label files in a folder, if there are any."""
        for ending in self.endings:
            if files := files_by_split(folder, ending, self.is_label_file, one_an_image=self.one_an_image):
                return self.layout(folder, files)
        return None

    def of_file(self, path: Path) -> Layout | None:
        """The dataset of one file, if it has the format."""
        if not self.is_label_file(path):
            return None
        split = None if self.one_an_image else split_named(path.stem)
        return self.layout(folder_of(path), {split or "all": [path]})


def files_by_split(
    folder: Path,
    ending: str,
    is_label_file: Callable[[Path], bool],
    *,
    one_an_image: bool = False,
    whole_folders: bool = False,
) -> dict[str, list[Path]]:
    """The label files of a tool by split, which the name of a folder says; else it is `all`.

    Args:
        folder: of the dataset.
        ending: of label files, in lower case.
        is_label_file: whether a file has the format, by its first bytes.
        one_an_image: whether each image has a label file; otherwise the name of a file says its split, too.
        whole_folders: whether all files of a folder belong to the format if one does, as where they may be empty.
    """
    splits: dict[str, list[Path]] = {}
    for parent in folders_below(folder):
        files = with_ending(parent, ending)
        if not any(map(is_label_file, files[:_TRIED])):
            continue
        for path in files if whole_folders else filter(is_label_file, files):
            by_name = None if one_an_image else split_named(path.stem)
            splits.setdefault(by_name or split_of_folder(parent, folder) or "all", []).append(path)
    return splits


def split_of_folder(path: Path, top: Path) -> str | None:
    """The split that the innermost folder between ``top`` and ``path`` is named after."""
    names = reversed(path.relative_to(top).parts)
    return next((split for name in names if (split := split_named(name)) is not None), None)


def image_named_after(label_file: Path, top: Path, folders: Sequence[str]) -> str:
    """The name of the image of a label file that has its stem, from ``top``: in the nearest of these folders."""
    above = [path for path in label_file.parents[1:] if path.is_relative_to(top)]
    near = (path / name for path in above for name in folders if is_folder(path / name))
    return (next(near, label_file.parent) / label_file.stem).relative_to(top).as_posix()


def head_of(path: Path) -> bytes:
    """The first bytes of a file, without the zeros of UTF-16 text and the byte order mark; none if it is unreadable."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return b""
    return head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
