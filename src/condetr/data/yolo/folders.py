"""YOLO datasets without a `data.yaml`: class names in a text file, and folders, list files or darknet's `obj.data`."""

from collections.abc import Mapping
from pathlib import Path

from condetr.core.errors import AnnotationError
from condetr.data.checks.data_report import DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.discovery.disk import found_below, visible, with_ending
from condetr.data.discovery.label_files import NAME_FILES, is_label_file
from condetr.data.discovery.layout import Layout, ReadSplit, add_absent, add_split
from condetr.data.discovery.split_names import split_named
from condetr.data.yolo.layout import described_in, with_distinct_names, yolo_images
from condetr.files.text import lines_of, text_of
from condetr.images.file_endings import has_image_ending

_DARKNET_FOLDERS = ("", "cfg", "data")  # where `obj.data` lies; paths in it start from the folder of darknet
_SUBSETS = "obj_*_data"  # CVAT's folders, one per split


def yolo_in(folder: Path) -> Layout | None:
    """The YOLO dataset in a folder, if it is one: with a YAML file, or with class names and labels.

    Raises:
        AnnotationError: the YAML file, the class names or `obj.data` are unusable.
    """
    return described_in(folder) or _by_names(folder)


def _by_names(folder: Path) -> Layout | None:
    darknet = next(iter(_darknet_files(folder)), None)
    table = {} if darknet is None else _darknet_table(darknet)
    names = (found_below(folder, table["names"]) if "names" in table else None) or _name_file_in(folder)
    if names is None:
        return None
    report = DataReport()
    splits = _Splits(folder, with_distinct_names(Classes.named(_names_in(names)), report.at(names)))
    if darknet is not None:
        splits.add_darknet(table, report.at(darknet))
    lists = _lists_in(folder)
    if not splits.readers:
        for path in lists:
            splits.add(split_named(path.stem) or path.stem, path)
    if not splits.readers and not _has_labels(folder):
        return None
    listed = set(splits.readers)
    for images in _split_folders(folder):
        split = split_named(images.name) or split_named(images.parent.name)
        if split is not None and split not in listed:
            splits.add(split, images)
    top = next((path for path in visible(folder, "*/") if path.name.lower() == "images"), None)
    if not splits.readers:
        splits.add("all", top or folder)
        return Layout("yolo", folder, splits.readers, report, image_sources=frozenset({top or folder}))
    if top is not None and not lists:
        _report_without_split(top, report)
    return Layout("yolo", folder, splits.readers, report)


class _Splits:
    """Splits of one folder."""

    def __init__(self, folder: Path, classes: Classes) -> None:
        self.readers: dict[str, ReadSplit] = {}
        self._folder, self._classes = folder, classes

    def add(self, split: str, images: Path) -> None:
        add_split(self.readers, split, yolo_images([images], self._classes, self._folder), self._folder)

    def add_darknet(self, table: Mapping[str, str], location: Location) -> None:
        for key, value in table.items():
            split, location.item = split_named(key), key
            path = None if split is None else found_below(self._folder, value)
            if split is not None and path is None:
                error = AnnotationError("does not exist", source=self._folder / value)
                add_absent(self.readers, split, error, location)
            elif split is not None and path is not None:
                self.add(split, path)


def _darknet_files(folder: Path) -> list[Path]:
    files = [path for name in _DARKNET_FOLDERS for path in with_ending(folder / name, ".data")]
    return [path for path in files if path.is_file() and path.stat().st_size < 2**16]


def _darknet_table(path: Path) -> dict[str, str]:
    """The fields of a file such as `train = data/train.txt`."""
    pairs = (line.partition("=") for line in lines_of(text_of(path)) if not line.lstrip().startswith("#"))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals and value.strip()}


def _name_file_in(folder: Path) -> Path | None:
    """The file of class names: in the folder, or beside the labels.

    Raises:
        AnnotationError: there are several, which do not agree.
    """
    folders = [folder, *(path for path in visible(folder, "*/") if _may_hold_names(path))]
    folders += [inner for path in folders[1:] for inner in visible(path, "*/") if split_named(inner.name)]
    files = [
        path
        for parent in folders
        for name in NAME_FILES
        if (path := parent / name).is_file() and not (name == "labels.txt" and is_label_file(path))
    ]
    if not files:
        return None
    beside = [path for path in files if path.parent == folder] or files
    first = beside[0]
    for other in beside[1:] if first.parent != folder else ():
        if _names_in(other) != _names_in(first):
            raise AnnotationError(f"has other class names than {other}", source=first, hint="make them the same")
    return first


def _may_hold_names(folder: Path) -> bool:
    return folder.name.lower() in ("labels", "images") or split_named(folder.name) is not None


def _names_in(path: Path) -> list[str]:
    """A name per line; the number of its line is its class.

    Raises:
        AnnotationError: there is none, or an empty line among them, which would shift the classes behind it.
    """
    names = [line.strip() for line in lines_of(text_of(path).rstrip())]
    if not any(names):
        raise AnnotationError("holds no class name", source=path)
    if "" in names:
        hint = "the number of a line is the number of its class"
        item = f"line {names.index('') + 1}"
        raise AnnotationError("is empty, with names behind it", source=path, item=item, hint=hint)
    return names


def _lists_in(folder: Path) -> list[Path]:
    """Text files that list images."""
    lists = []
    for path in with_ending(folder, ".txt"):
        if path.name.lower() in NAME_FILES or not path.is_file() or is_label_file(path):
            continue
        try:
            first = next((line for line in lines_of(text_of(path)) if line.strip()), "")
        except AnnotationError:
            continue
        if has_image_ending(first.strip()):
            lists.append(path)
    return lists


def _split_folders(folder: Path) -> list[Path]:
    """Folders of images that are named after a split."""
    outer = visible(folder, "*/")
    tops = [path for path in outer if path.name.lower() == "images"]
    folders = [path for top in tops for path in visible(top, "*/") if split_named(path.name)]
    folders += [
        path for top in outer if split_named(top.name) for path in visible(top, "*/") if path.name.lower() == "images"
    ]
    folders += [path for path in visible(folder, f"{_SUBSETS}/") if split_named(path.name)]
    return folders or [path for path in outer if split_named(path.name) and any(map(has_image_ending, path.iterdir()))]


def _report_without_split(images: Path, report: DataReport) -> None:
    for path in visible(images, "*"):
        if has_image_ending(path) or (path.is_dir() and not split_named(path.name)):
            report.add(ProblemKind.NO_SPLIT, "belongs to no split", source=path)


def _has_labels(folder: Path) -> bool:
    """Whether there is a folder of labels, or a label file where images may be."""
    outer = visible(folder, "*/")
    inner = [path for top in outer for path in visible(top, "*/")]
    if any(path.name.lower() == "labels" for path in (*outer, *inner)):
        return True
    return any(is_label_file(path) for top in (folder, *outer, *inner) for path in with_ending(top, ".txt"))
