"""Pascal VOC data sets as people lay them out: `Annotations/` and `ImageSets/Main/`, or XML beside pictures."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from condetr.core.errors import UsageError
from condetr.data.classes import Classes
from condetr.data.layout import Layout, ReadSplit, add_split
from condetr.data.reasons import Reason
from condetr.data.records import Dataset
from condetr.data.report import Fault, Report
from condetr.data.split_names import split_named
from condetr.data.text_files import text_of
from condetr.data.voc import PictureIndex, class_names_in, read_voc
from condetr.data.whereabouts import path_inside, pictures_in

_PICTURE_FOLDERS = ("JPEGImages", "images", "imgs")


def voc_in(folder: Path) -> Layout | None:
    """The Pascal VOC data set in a folder, if it is one."""
    inner = sorted(folder.glob("VOC*/Annotations"))
    if len(inner) == 1 and not (folder / "Annotations").is_dir():
        folder = inner[0].parent  # VOCdevkit/VOC2012
    labels = next((folder / name for name in ("Annotations", "annotations") if any(folder.glob(f"{name}/*.xml"))), None)
    if labels is not None:
        return _with_lists(folder, labels)
    parts = {split_named(path.name) or "": path for path in sorted(folder.glob("*/")) if any(path.glob("*.xml"))}
    parts.pop("", None)
    if not parts and any(folder.glob("*.xml")):
        parts = {"all": folder}
    classes = classes_in(sorted(path for part in parts.values() for path in part.glob("*.xml")))
    splits: dict[str, ReadSplit] = {}
    for split, part in parts.items():
        add_split(splits, split, voc_files(part, part, None, classes), folder)
    return Layout("voc", folder, splits) if splits else None


def _with_lists(folder: Path, labels: Path) -> Layout:
    pictures = next((folder / name for name in _PICTURE_FOLDERS if (folder / name).is_dir()), folder)
    classes = classes_in(sorted(labels.glob("*.xml")))
    splits: dict[str, ReadSplit] = {}
    for path in sorted(folder.glob("ImageSets/Main/*.txt")):
        split = split_named(path.stem)
        if split == path.stem.lower():  # not cat_train.txt, which lists one class
            add_split(splits, split, voc_files(labels, pictures, path, classes), folder)
    return Layout("voc", folder, splits or {"all": voc_files(labels, pictures, None, classes)})


def voc_files(labels: Path, pictures: Path, listed: Path | None, classes: Callable[[], Classes]) -> ReadSplit:
    """How to read the XML files in ``labels``, all or those that a text file lists."""
    return partial(_read, labels.absolute(), pictures.absolute(), listed, classes)


def classes_in(label_files: Sequence[Path], names: Sequence[str] | None = None) -> Callable[[], Classes]:
    """All names in all splits, so that a class has one label in each; looked for when first asked."""

    @cache
    def classes() -> Classes:
        ordered = tuple(names or sorted(set[str]().union(*map(class_names_in, label_files))))
        return Classes(ordered, source_ids=ordered)

    return classes


def _read(
    labels: Path,
    pictures: Path,
    listed: Path | None,
    classes: Callable[[], Classes],
    *,
    split: str,
    masks: bool = False,
) -> Dataset:
    if masks:
        raise UsageError("Pascal VOC annotations are read for boxes only", source=labels, hint="convert to COCO")
    report = Report()
    index = defaultdict(list)
    for path in pictures_in(pictures):
        index[path.stem].append(path)
    files = sorted(labels.glob("*.xml")) if listed is None else _listed_files(listed, labels, report)
    if listed is None:
        for stem in sorted(index.keys() - {path.stem for path in files}):
            report.add(Reason.MISSING_LABELS, f"there is no {stem}.xml in {labels}", source=index[stem][0])
    dataset = read_voc(files, PictureIndex(pictures, index), classes(), split=split)
    dataset.report.merge(report)
    return dataset


def _listed_files(listed: Path, labels: Path, report: Report) -> list[Path]:
    """The label files of the lines of an image set: a name, perhaps with a column behind it."""
    files: dict[Path, None] = {}
    for number, line in enumerate(text_of(listed).splitlines(), start=1):
        place = report.place(listed, f"line {number}")
        name = (line.split() or [""])[0]
        try:
            path = path_inside(labels, f"{name}.xml")
        except Fault as fault:
            place.add_fault(fault)
            continue
        if path in files:
            place.add(Reason.REPEATED_PICTURE, f"{name} is listed twice")
        elif name and not path.is_file():
            place.add(Reason.MISSING_LABELS, f"there is no {name}.xml in {labels}")
        elif name:
            files[path] = None
    return list(files)
