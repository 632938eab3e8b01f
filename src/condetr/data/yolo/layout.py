"""YOLO data sets that a `data.yaml` describes: `names`, `train`, `val`, `test`, and perhaps `path` and `kpt_shape`."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from condetr.core.errors import AnnotationError, CondetrError, DataError
from condetr.data.checks.data_report import Fault, Place, Report, shown
from condetr.data.checks.problems import Reason
from condetr.data.classes import Classes, Id
from condetr.data.discovery.disk import absence_of, exists, found_below, is_folder, slashed, with_ending
from condetr.data.discovery.image_paths import images_in, path_inside
from condetr.data.discovery.label_files import LabelFiles
from condetr.data.discovery.layout import Layout, ReadSplit, add_absent, add_split
from condetr.data.discovery.split_names import split_named
from condetr.data.records import Dataset
from condetr.data.yolo.columns import Columns, declared_columns
from condetr.data.yolo.reading import read_yolo
from condetr.files.text import lines_of, text_of, yaml_of

_LARGEST = 4 * 2**20  # bytes of a data.yaml; a larger YAML file in a folder is something else
_NAMES = re.compile(r"(?:^|[{,])\s*[\"']?names[\"']?\s*:", re.MULTILINE)
_SPLIT = re.compile(
    r"(?:^|[{,])\s*[\"']?(?:train|val|valid|validation|test)\w*[\"']?\s*:", re.MULTILINE | re.IGNORECASE
)
_NOTHING = ("", "~", "null", "Null", "NULL")  # how YAML says that there is none


def described_in(folder: Path) -> Layout | None:
    """The YOLO data set of a folder with a YAML file for it. Other YAML files are not looked into any further.

    Raises:
        AnnotationError: the only file that looks like one is not readable, or a field of it is unusable.
    """
    failed: CondetrError | None = None
    for path in sorted(with_ending(folder, ".yaml", ".yml")):
        if not _may_describe(path):
            continue
        try:
            content = yaml_of(path)
        except CondetrError as error:
            failed = failed or error
            continue
        if is_yolo_yaml(content):
            return yolo_file(path, content)
    if failed is not None:
        raise failed
    return None


def _may_describe(path: Path) -> bool:
    """By the words in it, before anything is understood of it."""
    try:
        text = text_of(path) if path.is_file() and path.stat().st_size <= _LARGEST else ""
    except (CondetrError, OSError):
        return path.stem.lower() in ("data", "dataset")
    return bool(_NAMES.search(text) and _SPLIT.search(text))


def is_yolo_yaml(content: Any) -> bool:
    return isinstance(content, Mapping) and "names" in content and any(map(_split_of, content))


def yolo_file(path: Path, content: Mapping[str, Any], *, anywhere: bool = False) -> Layout:
    """The data set that a ``data.yaml`` describes; in its own folder, or ``anywhere``.

    Raises:
        AnnotationError: a field of it is unusable.
    """
    report = Report()
    place = report.place(path)
    try:
        classes = with_distinct_names(_classes_of(content), place)
        columns = declared_columns(content.get("kpt_shape"), content.get("task"))
        root = _root_of(content.get("path"), path.absolute().parent, place, anywhere=anywhere)
        splits: dict[str, ReadSplit] = {}
        places_of: dict[str, list[Path]] = {}
        for key, value in content.items():
            split = _split_of(key)
            given = [one for one in (value if isinstance(value, list) else [value]) if one not in _NOTHING]
            if split is None or value is None or not given:
                continue
            place.item = str(key)
            places = [_place_of(one, root, place, anywhere=anywhere) for one in given]
            absent = next((one for one in places if not exists(one)), None)
            if absent is not None:
                hint = f"{path.name} names it"
                add_absent(splits, split, AnnotationError(absence_of(absent), source=absent, hint=hint), place)
            elif split in places_of:
                raise DataError(f"{key} is another name for {split}, which is there, too", source=path, item=str(key))
            else:
                places_of[split] = places
    except Fault as fault:
        raise AnnotationError(fault.said, source=path, item=place.item) from fault
    top = Path(os.path.commonpath([root, *(one for places in places_of.values() for one in places)]))
    for split, places in places_of.items():
        add_split(splits, split, yolo_images(places, classes, top, columns, search=root), path)
    if not splits:
        first = next(iter(report.of(Reason.MISSING_SPLIT)), None)
        reason = first.said if first else "names no folder of images"
        raise AnnotationError(reason, source=path, item=first.item if first else "train")
    named = frozenset(place for places in places_of.values() for place in places)
    return Layout("yolo", path, splits, report, _repeated(places_of), named)


def _repeated(places_of: Mapping[str, Sequence[Path]]) -> frozenset[str]:
    """Splits that name the images of another: all but the one that is called as they are, or else the first."""
    alike: defaultdict[tuple[Path, ...], list[str]] = defaultdict(list)
    for split, places in places_of.items():
        alike[tuple(places)].append(split)
    own = [
        next((split for split in splits if split == (split_named(places[0].name) or places[0].name)), splits[0])
        for places, splits in alike.items()
    ]
    return frozenset(places_of) - frozenset(own)


def yolo_images(
    places: Sequence[Path],
    classes: Classes,
    root: Path,
    columns: Columns | None = None,
    *,
    search: Path | None = None,
) -> ReadSplit:
    """How to read the images in folders and list files; labels that are missing are looked for below ``search``."""
    top = root.absolute()
    return partial(_read, [place.absolute() for place in places], classes, top, columns, search or top)


def _read(
    places: Sequence[Path],
    classes: Classes,
    root: Path,
    columns: Columns | None,
    search: Path,
    *,
    split: str,
    masks: bool = False,
) -> Dataset:
    """Reading begins only here: a split that nobody asks for is not looked at."""
    report = Report()
    found = list(_unique((one for place in places for one in _images_of(place, root, report)), report))
    if not found:
        report.add(Reason.MISSING_PICTURE, "holds no image", source=places[0])
    dataset = read_yolo(found, classes, root, split=split, masks=masks, columns=columns, search=search)
    if all(map(is_folder, places)):  # a list may leave out what it likes
        _tell_orphans(found, report)
    dataset.report.merge(report)
    return dataset


def _images_of(place: Path, root: Path, report: Report) -> Iterable[Path]:
    if is_folder(place):
        yield from images_in(place, report)
        return
    if not exists(place):
        raise AnnotationError(absence_of(place), source=place, hint="it is named in the YAML of the data set")
    for number, line in enumerate(lines_of(text_of(place)), start=1):
        at = report.place(place, f"line {number}")
        try:
            if line.strip():
                yield _listed(line.strip(), place, root, at)
        except Fault as fault:
            at.add_fault(fault)


def _listed(name: str, listed_in: Path, root: Path, place: Place) -> Path:
    """The image of a line: from the list's folder, from the root, or as it was called where the list was written."""
    local = slashed(name)
    try:
        beside = path_inside(root, str(listed_in.parent / local))
        path = beside if exists(beside) else path_inside(root, local)
    except Fault:
        path = None
    if path is None or not exists(path):
        ending = found_below(root, local)
        if ending is not None:
            place.add(Reason.CONVERTED_NAME, f"{shown(name)} is read as {ending.relative_to(root).as_posix()}")
            return ending
    return path_inside(root, local) if path is None else path


def _tell_orphans(images: Sequence[Path], report: Report) -> None:
    files = LabelFiles(images)
    for path in files.unused({labels.parent for labels in files.of.values()}):
        report.add(Reason.ORPHAN_LABELS, "has no image", source=path)


def _unique(paths: Iterable[Path], report: Report) -> Iterable[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            report.add(Reason.REPEATED_PICTURE, "is listed twice", source=path)
        else:
            seen.add(path)
            yield path


def _split_of(key: object) -> str | None:
    """The split that a field of the file stands for, if it is one."""
    if not isinstance(key, str) or not key.isalpha():
        return None
    return "all" if key.lower() == "all" else split_named(key)


def with_distinct_names(classes: Classes, place: Place) -> Classes:
    """`Classes.distinct`, and a finding for each name that several classes have."""
    for name, count in Counter(classes.names).items():
        if count > 1:
            place.add(Reason.DUPLICATE_NAME, f"{count} classes are called {shown(name)}; all but the last get a number")
    return classes.distinct()


def _classes_of(content: Mapping[str, Any]) -> Classes:
    names, count = content["names"], content.get("nc")
    table: dict[Id, Any] = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(table, Mapping) or not table:
        raise Fault(Reason.BAD_FIELD, f"names is {shown(names)}, expected a list, or names by class number")
    numbered = {_number_of(key, "names"): name for key, name in table.items()}
    if len(numbered) != len(table) or not all(
        isinstance(name, str | int) and str(name).strip() for name in numbered.values()
    ):
        raise Fault(Reason.BAD_FIELD, f"names is {shown(names)}, expected text")
    if count not in (None, *_NOTHING) and _number_of(count, "nc") != len(table):
        raise Fault(Reason.BAD_FIELD, f"nc is {shown(count)}, but there are {len(table)} names")
    ordered = sorted(numbered.items())
    return Classes(tuple(str(name) for _, name in ordered), tuple(key for key, _ in ordered))


def _number_of(given: Any, field: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,8}", str(given)):
        raise Fault(Reason.BAD_FIELD, f"{field} has {shown(given)}, expected a class number or a count")
    return int(given)


def _root_of(given: Any, beside: Path, place: Place, *, anywhere: bool) -> Path:
    if given is None or given in _NOTHING:
        return beside
    root = Path(os.path.abspath(beside / slashed(str(given))))  # noqa: PTH100  resolve() would follow links
    if is_folder(root) and (anywhere or _is_below(root, beside)):
        return root
    place.add(Reason.CONVERTED_NAME, f"path {shown(given)} is not here; the folder of the file is taken: {beside}")
    return beside


def _is_below(path: Path, folder: Path) -> bool:
    """Whether it is, links followed."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError):
        return False


def _place_of(given: Any, root: Path, place: Place, *, anywhere: bool) -> Path:
    """Where a split is: as it is written, without `../`, or by the end of a path of another machine."""
    if not isinstance(given, str):
        raise Fault(Reason.BAD_FIELD, f"is {shown(given)}, expected a folder of images or a list file")
    name = slashed(given)
    if anywhere and exists(root / name):
        return Path(os.path.abspath(root / name))  # noqa: PTH100  resolve() would follow links
    while name.startswith("../") and not _is_below(root / name, root):
        name = name.removeprefix("../")  # exports of Roboflow say ../train/images for train/images
    try:
        path = path_inside(root, name)
    except Fault:
        ending = found_below(root, given)
        if ending is None:
            raise
        path = ending
    if not exists(path):
        path = found_below(root, given) or path
    read = path.relative_to(root).as_posix()
    if read != Path(given).as_posix():
        place.add(Reason.CONVERTED_NAME, f"{shown(given)} is read as {shown(read)}")
    return path
