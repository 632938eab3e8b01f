"""Where the label files of a tool lie: in the folder, or in folders below it, each named after a split or not."""

from collections.abc import Callable, Sequence
from pathlib import Path

from condetr.data.discovery.disk import visible, with_ending
from condetr.data.discovery.split_names import split_named

_HEAD = 2**16  # bytes that show what a file is
_TRIED = 20  # files of a folder that are opened to find one of the format


def files_by_split(folder: Path, ending: str, is_label_file: Callable[[Path], bool]) -> dict[str, list[Path]]:
    """The label files of a tool by split, which their name says, or that of their folder; else it is `all`.

    Label files in the folder and in folders of splits are read together; folders with other names are searched where
    there are none.
    """
    below = visible(folder, "*/")
    named = [folder, *(path for path in below if split_named(path.name) or path.name.lower() == "annotations")]
    splits: dict[str, list[Path]] = {}
    for parents in (named, [path for path in below if path not in named]):
        for parent in parents:
            for path in _files_of(parent, ending, is_label_file):
                of_folder = split_named(parent.name) if parent != folder else None
                splits.setdefault(split_named(path.stem) or of_folder or "all", []).append(path)
        if splits:
            return splits
    return splits


def _files_of(folder: Path, ending: str, is_label_file: Callable[[Path], bool]) -> Sequence[Path]:
    files = with_ending(folder, ending)
    return [path for path in files if is_label_file(path)] if any(map(is_label_file, files[:_TRIED])) else []


def head_of(path: Path) -> bytes:
    """The first bytes of a file, without the zeros of UTF-16 text and the byte order mark; none if it is unreadable."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return b""
    return head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
