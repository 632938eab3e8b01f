"""YOLO datasets that a `data.yaml` describes: `names`, `train`, `val`, `test`, and perhaps `path` and `kpt_shape`."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from condetr.core.errors import AnnotationError, CondetrError, DataError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes, Id
from condetr.data.discovery.disk import absence_of, found_below, is_folder, slashed, with_ending
from condetr.data.discovery.image_paths import images_in
from condetr.data.discovery.label_files import LabelFiles
from condetr.data.discovery.layout import Layout, ReadSplit, add_absent, add_split
from condetr.data.discovery.split_names import split_named
from condetr.data.records import Dataset
from condetr.data.yolo.columns import Columns, declared_columns
from condetr.data.yolo.reading import read_yolo
from condetr.files.inside import OutsideFolderError, exists, path_inside
from condetr.files.text import lines_of, text_of, yaml_of

_LARGEST = 4 * 2**20  # bytes of a data.yaml; a larger YAML file in a folder is something else
_NAMES = re.compile(r"(?:^|[{,])\s*[\"']?names[\"']?\s*:", re.MULTILINE)
_SPLIT = re.compile(
    r"(?:^|[{,])\s*[\"']?(?:train|val|valid|validation|test)\w*[\"']?\s*:", re.MULTILINE | re.IGNORECASE
)
_NOTHING = ("", "~", "null", "Null", "NULL")  # null in YAML


def described_in(folder: Path) -> Layout | None:
    """The YOLO dataset of a folder with a YAML file that describes it. Other YAML files are ignored.

    Raises:
        AnnotationError: the only file that looks like one is not readable, or a field of it is unusable.
    """
    first_error: CondetrError | None = None
    for path in sorted(with_ending(folder, ".yaml", ".yml")):
        if not _may_describe(path):
            continue
        try:
            content = yaml_of(path)
        except CondetrError as error:
            first_error = first_error or error
            continue
        if is_yolo_yaml(content):
            return yolo_file(path, content)
    if first_error is not None:
        raise first_error
    return None


def _may_describe(path: Path) -> bool:
    """Whether the text of a file has the keys of a `data.yaml`, before it is parsed."""
    try:
        text = text_of(path) if path.is_file() and path.stat().st_size <= _LARGEST else ""
    except (CondetrError, OSError):
        return path.stem.lower() in ("data", "dataset")
    return bool(_NAMES.search(text) and _SPLIT.search(text))


def is_yolo_yaml(content: Any) -> bool:
    return isinstance(content, Mapping) and "names" in content and any(map(_split_of, content))


def yolo_file(path: Path, content: Mapping[str, Any], *, anywhere: bool = False) -> Layout:
    """The dataset that a ``data.yaml`` describes; in its own folder, or ``anywhere``.

    Raises:
        AnnotationError: a field of it is unusable.
    """
    report = DataReport()
    location = report.at(path)
    try:
        classes = with_distinct_names(_classes_of(content), location)
        columns = declared_columns(content.get("kpt_shape"), content.get("task"))
        root = _root_of(content.get("path"), path.absolute().parent, location, anywhere=anywhere)
        splits: dict[str, ReadSplit] = {}
        sources_of: dict[str, list[Path]] = {}
        for key, value in content.items():
            split = _split_of(key)
            entries = [entry for entry in (value if isinstance(value, list) else [value]) if entry not in _NOTHING]
            if split is None or value is None or not entries:
                continue
            location.item = str(key)
            sources = [_source_of(entry, root, location, anywhere=anywhere) for entry in entries]
            absent = next((source for source in sources if not exists(source)), None)
            if absent is not None:
                hint = f"{path.name} names it"
                add_absent(splits, split, AnnotationError(absence_of(absent), source=absent, hint=hint), location)
            elif split in sources_of:
                raise DataError(f"{key} is another name for {split}, which is there, too", source=path, item=str(key))
            else:
                sources_of[split] = sources
    except (DataProblem, OutsideFolderError) as error:
        raise AnnotationError(str(error), source=path, item=location.item) from error
    top = Path(os.path.commonpath([root, *(source for sources in sources_of.values() for source in sources)]))
    for split, sources in sources_of.items():
        add_split(splits, split, yolo_images(sources, classes, top, columns, search=root), path)
    if not splits:
        first = next(iter(report.of(ProblemKind.MISSING_SPLIT)), None)
        reason = first.message if first else "names no folder of images"
        raise AnnotationError(reason, source=path, item=first.item if first else "train")
    every = frozenset(source for sources in sources_of.values() for source in sources)
    return Layout("yolo", path, splits, report, _repeated(sources_of), every)


def _repeated(sources_of: Mapping[str, Sequence[Path]]) -> frozenset[str]:
    """Splits that name the same images as another: all but the one with the name of the folder, or else the first."""
    alike: defaultdict[tuple[Path, ...], list[str]] = defaultdict(list)
    for split, sources in sources_of.items():
        alike[tuple(sources)].append(split)
    own = [
        next((split for split in splits if split == (split_named(sources[0].name) or sources[0].name)), splits[0])
        for sources, splits in alike.items()
    ]
    return frozenset(sources_of) - frozenset(own)


def yolo_images(
    sources: Sequence[Path],
    classes: Classes,
    root: Path,
    columns: Columns | None = None,
    *,
    search: Path | None = None,
) -> ReadSplit:
    """How to read the images in folders and list files; missing label files are searched below ``search``."""
    top = root.absolute()
    return partial(_read, [source.absolute() for source in sources], classes, top, columns, search or top)


def _read(
    sources: Sequence[Path],
    classes: Classes,
    root: Path,
    columns: Columns | None,
    search: Path,
    *,
    split: str,
    masks: bool = False,
) -> Dataset:
    """Nothing of a split is read before this is called."""
    report = DataReport()
    images = list(_unique((image for source in sources for image in _images_of(source, root, report)), report))
    if not images:
        report.add(ProblemKind.MISSING_PICTURE, "holds no image", source=sources[0])
    dataset = read_yolo(images, classes, root, split=split, masks=masks, columns=columns, search=search)
    if all(map(is_folder, sources)):  # a list may leave images out
        _report_orphans(images, report)
    dataset.report.merge(report)
    return dataset


def _images_of(source: Path, root: Path, report: DataReport) -> Iterable[Path]:
    if is_folder(source):
        yield from images_in(source, report)
        return
    if not exists(source):
        raise AnnotationError(absence_of(source), source=source, hint="the YAML file of the dataset names it")
    for number, line in enumerate(lines_of(text_of(source)), start=1):
        if line.strip():
            with report.at(source, f"line {number}") as location:
                yield _listed(line.strip(), source, root, location)


def _listed(name: str, listed_in: Path, root: Path, location: Location) -> Path:
    """The image of a line: from the list's folder, from the root, or by the end of a path of another machine."""
    local = slashed(name)
    try:
        beside = path_inside(root, str(listed_in.parent / local))
        path = beside if exists(beside) else path_inside(root, local)
    except OutsideFolderError:
        path = None
    if path is None or not exists(path):
        ending = found_below(root, local)
        if ending is not None:
            message = f"{short_repr(name)} is read as {ending.relative_to(root).as_posix()}"
            location.add(ProblemKind.CONVERTED_NAME, message)
            return ending
    return path_inside(root, local) if path is None else path


def _report_orphans(images: Sequence[Path], report: DataReport) -> None:
    files = LabelFiles(images)
    for path in files.unused({labels.parent for labels in files.of.values()}):
        report.add(ProblemKind.ORPHAN_LABELS, "has no image", source=path)


def _unique(paths: Iterable[Path], report: DataReport) -> Iterable[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            report.add(ProblemKind.REPEATED_PICTURE, "is listed twice", source=path)
        else:
            seen.add(path)
            yield path


def _split_of(key: object) -> str | None:
    """The split that a field of the file stands for, if it is one."""
    if not isinstance(key, str) or not key.isalpha():
        return None
    return "all" if key.lower() == "all" else split_named(key)


def with_distinct_names(classes: Classes, location: Location) -> Classes:
    """`Classes.distinct`, and a finding for each name that several classes have."""
    for name, count in Counter(classes.names).items():
        if count > 1:
            message = f"{count} classes are called {short_repr(name)}; all but the last get a number"
            location.add(ProblemKind.DUPLICATE_NAME, message)
    return classes.distinct()


def _classes_of(content: Mapping[str, Any]) -> Classes:
    names, count = content["names"], content.get("nc")
    table: dict[Id, Any] = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(table, Mapping) or not table:
        message = f"names is {short_repr(names)}, expected a list, or names by class number"
        raise DataProblem(ProblemKind.BAD_FIELD, message)
    numbered = {_number_of(key, "names"): name for key, name in table.items()}
    if len(numbered) != len(table) or not all(
        isinstance(name, str | int) and str(name).strip() for name in numbered.values()
    ):
        raise DataProblem(ProblemKind.BAD_FIELD, f"names is {short_repr(names)}, expected text")
    if count not in (None, *_NOTHING) and _number_of(count, "nc") != len(table):
        message = f"nc is {short_repr(count)}, but there are {len(table)} names"
        raise DataProblem(ProblemKind.BAD_FIELD, message)
    ordered = sorted(numbered.items())
    return Classes(tuple(str(name) for _, name in ordered), tuple(key for key, _ in ordered))


def _number_of(value: Any, field: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,8}", str(value)):
        message = f"{field} has {short_repr(value)}, expected a class number or a count"
        raise DataProblem(ProblemKind.BAD_FIELD, message)
    return int(value)


def _root_of(stated: Any, beside: Path, location: Location, *, anywhere: bool) -> Path:
    if stated is None or stated in _NOTHING:
        return beside
    root = Path(os.path.abspath(beside / slashed(str(stated))))  # noqa: PTH100  resolve() would follow links
    if is_folder(root) and (anywhere or _is_below(root, beside)):
        return root
    message = f"path {short_repr(stated)} does not exist here; the folder of the file is used: {beside}"
    location.add(ProblemKind.CONVERTED_NAME, message)
    return beside


def _is_below(path: Path, folder: Path) -> bool:
    """Whether it is, links followed."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError):
        return False


def _source_of(entry: Any, root: Path, location: Location, *, anywhere: bool) -> Path:
    """The folder or list of a split: as it is written, without `../`, or by the end of a path of another machine."""
    if not isinstance(entry, str):
        message = f"is {short_repr(entry)}, expected a folder of images or a list file"
        raise DataProblem(ProblemKind.BAD_FIELD, message)
    name = slashed(entry)
    if anywhere and exists(root / name):
        return Path(os.path.abspath(root / name))  # noqa: PTH100  resolve() would follow links
    while name.startswith("../") and not _is_below(root / name, root):
        name = name.removeprefix("../")  # exports of Roboflow have ../train/images for train/images
    try:
        path = path_inside(root, name)
    except OutsideFolderError:
        ending = found_below(root, entry)
        if ending is None:
            raise
        path = ending
    if not exists(path):
        path = found_below(root, entry) or path
    relative = path.relative_to(root).as_posix()
    if relative != Path(entry).as_posix():
        location.add(ProblemKind.CONVERTED_NAME, f"{short_repr(entry)} is read as {short_repr(relative)}")
    return path
