"""YOLO data sets as people lay them out: a `data.yaml` with `names`, `train`, `val`, `test`; or only folders."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from condetr.core.errors import AnnotationError
from condetr.data.classes import Classes, Id
from condetr.data.layout import Layout, ReadSplit, add_split
from condetr.data.reasons import Reason
from condetr.data.records import Dataset
from condetr.data.report import Fault, Place, Report, shown
from condetr.data.split_names import split_named
from condetr.data.text_files import text_of, yaml_of
from condetr.data.whereabouts import path_inside, pictures_in
from condetr.data.yolo import label_file_of, read_yolo

_SPLIT_KEYS = ("train", "val", "valid", "validation", "test", "trainval", "all")
_NAME_FILES = ("classes.txt", "obj.names", "names.txt", "labels.txt")


def yolo_in(folder: Path) -> Layout | None:
    """The YOLO data set in a folder, if it is one."""
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        content = yaml_of(path)
        if is_yolo_yaml(content):
            return yolo_file(path, content)
    names = next((folder / name for name in _NAME_FILES if (folder / name).is_file()), None)
    if names is None:
        return None
    classes = Classes.named(line.strip() for line in text_of(names).splitlines() if line.strip())
    splits: dict[str, ReadSplit] = {}
    for place in sorted((*folder.glob("images/*/"), *folder.glob("*/images/"))):
        split = split_named(place.name) or split_named(place.parent.name)
        if split is not None:
            add_split(splits, split, yolo_pictures([place], classes, folder.absolute()), folder)
    if not splits and ((folder / "labels").is_dir() or any(folder.glob("*.txt"))):
        splits["all"] = yolo_pictures([folder], classes, folder.absolute())
    return Layout("yolo", folder, splits) if splits else None


def is_yolo_yaml(content: Any) -> bool:
    return isinstance(content, Mapping) and "names" in content and any(key in content for key in _SPLIT_KEYS)


def yolo_file(path: Path, content: Mapping[str, Any], *, anywhere: bool = False) -> Layout:
    """The data set that a ``data.yaml`` describes; in its own folder, or ``anywhere``.

    Raises:
        AnnotationError: a field of it is unusable.
    """
    report = Report()
    place = report.place(path)
    try:
        classes = _classes_of(content)
        root = _root_of(content.get("path"), path.absolute().parent, place, anywhere=anywhere)
        splits: dict[str, ReadSplit] = {}
        places_of: dict[str, list[Path]] = {}
        for key in _SPLIT_KEYS:
            if content.get(key):
                place.item = key
                given = content[key] if isinstance(content[key], list) else [content[key]]
                places = [_place_of(one, root, place, anywhere=anywhere) for one in given]
                places_of[split_named(key) or key] = places
                add_split(splits, split_named(key) or key, yolo_pictures(places, classes, root), path)
    except Fault as fault:
        raise AnnotationError(fault.said, source=path, item=place.item) from fault
    return Layout("yolo", path, splits, report, _repeated(places_of))


def _repeated(places_of: Mapping[str, Sequence[Path]]) -> frozenset[str]:
    """Splits that name the pictures of another: all but the one that is called as they are, or else the first."""
    alike: defaultdict[tuple[Path, ...], list[str]] = defaultdict(list)
    for split, places in places_of.items():
        alike[tuple(places)].append(split)
    own = [
        next((split for split in splits if split == (split_named(places[0].name) or places[0].name)), splits[0])
        for places, splits in alike.items()
    ]
    return frozenset(places_of) - frozenset(own)


def yolo_pictures(places: Sequence[Path], classes: Classes, root: Path) -> ReadSplit:
    """How to read the pictures in folders and list files."""
    return partial(_read, places, classes, root)


def _read(places: Sequence[Path], classes: Classes, root: Path, *, split: str, masks: bool = False) -> Dataset:
    """Reading begins only here: a split that nobody asks for is not looked at."""
    report = Report()
    found = list(_unique((one for place in places for one in _pictures_of(place, root, report)), report))
    if all(place.is_dir() for place in places):  # a list may leave out what it likes
        _tell_orphans(found, report)
    dataset = read_yolo(found, classes, root, split=split, masks=masks)
    dataset.report.merge(report)
    return dataset


def _pictures_of(place: Path, root: Path, report: Report) -> Iterable[Path]:
    if place.is_dir():
        yield from pictures_in(place)
        return
    if not place.exists():
        raise AnnotationError("does not exist", source=place, hint="it is named in the YAML of the data set")
    for number, line in enumerate(text_of(place).splitlines(), start=1):
        at = report.place(place, f"line {number}")
        try:
            if line.strip():
                beside = path_inside(root, str(place.parent / line.strip()))
                yield beside if beside.exists() else path_inside(root, line.strip())
        except Fault as fault:
            at.add_fault(fault)


def _tell_orphans(pictures: Sequence[Path], report: Report) -> None:
    used = {labels for path in pictures if (labels := label_file_of(path)) is not None}
    for folder in sorted({labels.parent for labels in used}):
        for path in sorted(set(folder.glob("*.txt")) - used):
            if path.name not in _NAME_FILES:
                report.add(Reason.ORPHAN_LABELS, "has no picture", source=path)


def _unique(paths: Iterable[Path], report: Report) -> Iterable[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            report.add(Reason.REPEATED_PICTURE, "is listed twice", source=path)
        else:
            seen.add(path)
            yield path


def _classes_of(content: Mapping[str, Any]) -> Classes:
    names = content["names"]
    table: dict[Id, Any] = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(table, Mapping) or not table or not all(type(key) is int and key >= 0 for key in table):
        raise Fault(Reason.BAD_FIELD, f"names is {shown(names)}, expected a list, or names by class number")
    if not all(isinstance(name, str | int) for name in table.values()):  # a class may be called 7
        raise Fault(Reason.BAD_FIELD, f"names is {shown(names)}, expected text")
    if content.get("nc", len(table)) != len(table):
        raise Fault(Reason.BAD_FIELD, f"nc is {shown(content['nc'])}, but there are {len(table)} names")
    ordered = sorted(table.items())
    return Classes(tuple(str(name) for _, name in ordered), tuple(key for key, _ in ordered))


def _root_of(given: Any, beside: Path, place: Place, *, anywhere: bool) -> Path:
    if given is None:
        return beside
    root = (beside / str(given)).resolve()
    if root.is_dir() and (anywhere or root.is_relative_to(beside.resolve())):
        return root
    place.add(Reason.CONVERTED_NAME, f"path {shown(given)} is not here; the folder of the file is taken: {beside}")
    return beside


def _place_of(given: Any, root: Path, place: Place, *, anywhere: bool) -> Path:
    if not isinstance(given, str):
        raise Fault(Reason.BAD_FIELD, f"is {shown(given)}, expected a folder of pictures or a list file")
    if anywhere and (root / given).exists():
        return root / given
    name = given
    while name.startswith("../") and not (root / name).resolve().is_relative_to(root.resolve()):
        name = name.removeprefix("../")  # exports of Roboflow say ../train/images for train/images
    if name != given:
        place.add(Reason.CONVERTED_NAME, f"{shown(given)} is read as {shown(name)}")
    return path_inside(root, name)
