"""Where Pascal VOC datasets keep their files: `Annotations/` and `ImageSets/Main/`, or XML files beside the images."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from urllib.parse import unquote

from condetr.core.errors import CondetrError, UsageError
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.discovery.disk import folders_below, is_file, visible, with_ending
from condetr.data.discovery.image_paths import images_in
from condetr.data.discovery.label_files import image_stem, is_label_file, plain
from condetr.data.discovery.layout import Layout, ReadSplit, add_split
from condetr.data.discovery.split_names import split_named
from condetr.data.records import Dataset
from condetr.data.voc.reading import ImageIndex, class_names_in, read_voc
from condetr.data.voc.strict_xml import starts_with
from condetr.files.inside import path_inside
from condetr.files.text import lines_of, text_of
from condetr.images.file_endings import has_image_ending

_IMAGE_FOLDERS = ("JPEGImages", "images", "imgs", "img", "data")
_PLAIN_FOLDERS = {name.lower() for name in _IMAGE_FOLDERS}
_LIST = re.compile(r"[a-zA-Z]+-?[0-9]*")  # train2012, and not cat_train, which lists one class
_LABEL_FOLDERS = ("annotations", "annotation", "xmls", "xml", "annots", "labels")
_DEEPEST = 2  # levels of folders in the folder of labels
_TRIED = 200  # XML files of which one must be an annotation


def voc_in(folder: Path) -> Layout | None:
    """The Pascal VOC dataset in a folder, if it is one."""
    inner = visible(folder, "VOC*/Annotations")
    if len(inner) == 1 and not (folder / "Annotations").is_dir():
        folder = inner[0].parent  # VOCdevkit/VOC2012
    labels = _labels_in(folder)
    if labels is not None:
        return _with_lists(folder, labels)
    report = DataReport()
    below = visible(folder, "*/")
    parts = [(split, *part) for path in below if (split := split_named(path.name)) and (part := _part_of(path))]
    if _holds_voc(folder):
        if parts:
            report.add(ProblemKind.NO_SPLIT, "label files beside the folders of the splits", source=folder)
        else:
            parts = [("all", folder, folder)]
    return _of_parts(folder, parts, report) if parts else None


def _labels_in(folder: Path) -> Path | None:
    """The folder of XML files, which may have folders itself, beside a folder of images."""
    below = {path.name.lower(): path for path in visible(folder, "*/")}
    return next((below[name] for name in _LABEL_FOLDERS if name in below and _holds_voc_below(below[name])), None)


def _part_of(folder: Path) -> tuple[Path, Path] | None:
    """Where the XML files and the images of a split are."""
    if _holds_voc(folder):
        return folder, folder
    labels = _labels_in(folder)
    return None if labels is None else (labels, _images_in(folder))


def _of_parts(folder: Path, parts: Iterable[tuple[str, Path, Path]], report: DataReport) -> Layout:
    """A layout of splits that have folders of their own."""
    parts = list(parts)
    classes = classes_in([path for _, labels, images in parts for path in xml_files(labels, images)])
    splits: dict[str, ReadSplit] = {}
    for split, labels, images in parts:
        add_split(splits, split, voc_files(labels, images, None, classes), folder)
    return Layout("voc", folder, splits, report)


def _holds_voc(folder: Path) -> bool:
    return any(starts_with(path, "annotation") for path in with_ending(folder, ".xml")[:_TRIED])


def _holds_voc_below(folder: Path) -> bool:
    return any(map(_holds_voc, folders_below(folder, deepest=_DEEPEST)))


def xml_files(labels: Path, images: Path) -> list[Path]:
    """The XML files in a folder of labels, and in folders below it, which CVAT keeps; beside images only there."""
    deepest = 0 if labels == images else _DEEPEST
    return [path for folder in folders_below(labels, deepest=deepest) for path in with_ending(folder, ".xml")]


def _images_in(folder: Path) -> Path:
    """The folder of images: the first with a usual name, or the folder itself."""
    below = {path.name: path for path in visible(folder, "*/")}
    images = next((below[name] for name in _IMAGE_FOLDERS if name in below), None)
    return images or next((path for name, path in below.items() if name.lower() in _PLAIN_FOLDERS), folder)


def _with_lists(folder: Path, labels: Path) -> Layout:
    images = _images_in(folder)
    inner = [path for path in visible(labels, "*/") if _holds_voc(path)]
    own = {split: path for path in inner if (split := split_named(path.name)) is not None}
    if inner and len(own) == len(inner) and not _holds_voc(labels):
        parts = [(split, path, images / path.name) for split, path in own.items()]
        return _of_parts(folder, ((split, path, i if i.is_dir() else images) for split, path, i in parts), DataReport())
    near = [path for path in with_ending(labels, ".txt") if not is_label_file(path)]
    lists = with_ending(folder / "ImageSets/Main", ".txt") or near  # Oxford Pets has them beside
    classes = classes_in(xml_files(labels, images))
    splits: dict[str, ReadSplit] = {}
    report, nameless = DataReport(), list[Path]()
    for path in lists:
        split = split_named(path.stem)
        if split is not None and _LIST.fullmatch(path.stem):
            add_split(splits, split, voc_files(labels, images, path, classes), folder)
        elif split is None or "_" not in path.stem:
            nameless.append(path)
    for path in nameless if splits else ():
        report.add(ProblemKind.NO_SPLIT, "is the list of no split, and is not read", source=path)
    beside = [] if splits else [path for path in with_ending(folder, ".txt") if split_named(path.stem)]
    for path in beside:
        report.add(ProblemKind.NO_SPLIT, "is not read: lists of splits are read in ImageSets/Main", source=path)
    if splits:
        _report_unlisted(labels, images, lists, report)
    return Layout("voc", folder, splits or {"all": voc_files(labels, images, None, classes)}, report)


def _report_unlisted(labels: Path, images: Path, lists: list[Path], report: DataReport) -> None:
    listed: set[str] = set()
    for path in lists:
        try:
            lines = [line.strip() for line in lines_of(text_of(path)) if line.strip()]
        except CondetrError:
            continue  # reading the split raises it
        names = {*lines, *(line.split()[0] for line in lines)}
        listed |= names | {Path(name).stem for name in names if has_image_ending(name)}
    unlisted = [path for path in xml_files(labels, images) if not {path.stem, _inner_name(path, labels)} & listed]
    if unlisted:
        message = f"{len(unlisted)} label files are in no list, such as {unlisted[0].name}"
        report.add(ProblemKind.NO_SPLIT, message, source=labels)


def _inner_name(path: Path, labels: Path) -> str:
    """The name of a label file in lists: with folders and without its ending."""
    return path.relative_to(labels).with_suffix("").as_posix()


def voc_files(labels: Path, images: Path, listed: Path | None, classes: Callable[[], Classes]) -> ReadSplit:
    """How to read the XML files in ``labels``, all or those that a text file lists."""
    return partial(_read, labels.absolute(), images.absolute(), listed, classes)


def classes_in(label_files: Sequence[Path], names: Sequence[str] | None = None) -> Callable[[], Classes]:
    """All names in all splits, so that a class has one label in each; the files are read on the first call."""

    @cache
    def classes() -> Classes:
        ordered = tuple(names or sorted(set[str]().union(*map(class_names_in, label_files))))
        return Classes(ordered, source_ids=ordered)

    return classes


def _read(
    labels: Path,
    images: Path,
    listed: Path | None,
    classes: Callable[[], Classes],
    *,
    split: str,
    masks: bool = False,
) -> Dataset:
    if masks:
        raise UsageError("Pascal VOC annotations are read for boxes only", source=labels, hint="convert to COCO")
    report = DataReport()
    index = defaultdict(list)
    for path in images_in(images, report):
        index[path.stem].append(path)
    files = xml_files(labels, images) if listed is None else _listed_files(listed, labels, report)
    dataset = read_voc(files, ImageIndex(images, index), classes(), split=split)
    if listed is None:
        _report_unlabeled(index, files, labels, dataset.report)
    dataset.report.merge(report)
    return dataset


def _report_unlabeled(index: Mapping[str, list[Path]], files: list[Path], labels: Path, report: DataReport) -> None:
    """Report images without labels, which are left out; if label files lack images, too, the names are wrong."""
    labeled = {image_stem(path.stem) for path in files}
    without = [paths[0] for stem, paths in sorted(index.items()) if plain(unquote(stem)) not in labeled]
    for image in without:
        report.add(ProblemKind.MISSING_LABELS, f"there is no {image.stem}.xml in {labels}", source=image)
    yolo = [
        path
        for image in without
        for folder in (labels, image.parent)
        if is_label_file(path := folder / f"{image.stem}.txt")
    ]
    if yolo:
        message = (
            f"{len(set(yolo))} images have no XML file but one that looks like YOLO's, such as {yolo[0]}:"
            " label them all in one format"
        )
        report.add(ProblemKind.UNUSED_LABELS, message, source=yolo[0])
    unused = report.of(ProblemKind.MISSING_PICTURE)
    if without and unused:
        count = report.counts[ProblemKind.MISSING_PICTURE]
        message = (
            f"{len(without)} images have no label file in {labels}, and {count} label"
            f" files have no image, such as {unused[0].source}: give both the same name"
        )
        report.add(ProblemKind.UNUSED_LABELS, message, source=without[0])


def _listed_files(listed: Path, labels: Path, report: DataReport) -> list[Path]:
    """The label files of the lines of an image set: a name, perhaps with a column behind it."""
    files: dict[Path, None] = {}
    inner = {path.stem: path for folder in visible(labels, "*/") for path in with_ending(folder, ".xml")}
    for number, line in enumerate(lines_of(text_of(listed)), start=1):
        if not line.strip():
            continue
        with report.at(listed, f"line {number}") as location:
            path = _listed(line.strip(), labels)
            path = path if is_file(path) else inner.get(path.stem, path)
            if path in files:
                location.add(ProblemKind.REPEATED_PICTURE, f"{path.stem} is listed twice")
            elif not is_file(path):
                location.add(ProblemKind.MISSING_LABELS, f"there is no {path.name} in {labels}")
            else:
                files[path] = None
    return list(files)


def _listed(line: str, labels: Path) -> Path:
    """The label file of the first word; or of the whole line, a name with spaces; or without an image's ending."""
    first = line.split()[0]
    names = [first, line, *(Path(name).stem for name in (first, line) if has_image_ending(name))]
    candidates = [path_inside(labels, f"{name}.xml") for name in names]
    return next((path for path in candidates if is_file(path)), candidates[0])
