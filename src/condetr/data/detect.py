"""Any path to labelled pictures in, data sets out: the format found by content, the splits by name."""

from pathlib import Path

from condetr.core.errors import DataError, UsageError
from condetr.data.coco_layout import coco_file, coco_in
from condetr.data.description import described, is_description
from condetr.data.layout import Layout
from condetr.data.reasons import Reason
from condetr.data.records import Dataset
from condetr.data.split_names import split_named
from condetr.data.strict_json import read_json
from condetr.data.text_files import yaml_of
from condetr.data.voc_layout import voc_in
from condetr.data.yolo_layout import is_yolo_yaml, yolo_file, yolo_in

_DESCRIPTION_BYTES = 2**20  # a larger JSON file holds labels itself
_EXPECTED = (
    "expected COCO (annotations/*.json), YOLO (data.yaml), Pascal VOC (Annotations/*.xml), "
    "one COCO JSON file, or a YAML or JSON file with `splits:`"
)


def layout_of(path: str | Path) -> Layout:
    """What kind of data set this folder or file is, and its splits.

    Raises:
        UsageError: there is nothing.
        DataError: it is none that is known.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError("does not exist", source=path)
    if path.is_dir():
        return _folder_layout(path)
    if not path.is_file():
        raise DataError("is neither a file nor a folder", source=path)
    if path.suffix.lower() in (".yaml", ".yml"):
        content = yaml_of(path)
        if is_yolo_yaml(content):
            return yolo_file(path, content, anywhere=True)
    elif path.suffix.lower() == ".json":
        content = read_json(path) if path.stat().st_size < _DESCRIPTION_BYTES else None
        if not is_description(content):
            return Layout("coco", path, {split_named(path.stem) or "all": coco_file(path)})
    else:
        content = None
    if not is_description(content):
        raise DataError("is no data set that is known here", source=path, hint=_EXPECTED)
    return described(path, content)


def read_dataset(path: str | Path, split: str | None = None, *, masks: bool = False) -> Dataset:
    """One split; which one may be left open where there is only one.

    Args:
        path: a folder or file in any of the formats.
        split: its name, as `layout_of` tells them.
        masks: whether objects need a segmentation.

    Raises:
        DataError: there is no such data set or split, or nothing in it can be used.
        AnnotationError: labels that no model should learn from; the first of them is named.
    """
    layout = layout_of(path)
    if split is None and len(layout.names) == 1:
        split = layout.names[0]
    if split is None or split not in layout.splits:
        asked = "which split is meant?" if split is None else f"has no split {split!r};"
        raise DataError(f"{asked} there are {', '.join(layout.names)}", source=path, item="split")
    return usable(layout.read(split, masks=masks), path)


def read_splits(path: str | Path, *, masks: bool = False) -> dict[str, Dataset]:
    """All splits, by name, with one table of classes.

    Raises:
        DataError: as `read_dataset`, or splits that do not agree on the classes.
    """
    layout = layout_of(path)
    read = {split: usable(layout.read(split, masks=masks), path) for split in layout.names}
    first = next(iter(read))
    for split, dataset in read.items():
        if dataset.classes != read[first].classes:
            different = sorted(set(dataset.classes.names) ^ set(read[first].classes.names))
            reason = f"{split} and {first} do not have the same classes in the same order; only in one: {different}"
            raise DataError(reason, source=path, item="categories")
    return read


def usable(dataset: Dataset, path: str | Path) -> Dataset:
    """The data set itself, unless its report says that it must be refused, or nothing is left of it."""
    dataset.report.refuse()
    if not len(dataset.classes):
        raise DataError("has no labelled object, so no classes", source=path)
    if not len(dataset):
        first = next(iter(dataset.report), None)
        said = f"; the first reason is: {first}" if first else ""
        raise DataError(f"has no usable picture in {dataset.split}{said}", source=path)
    return dataset


def _folder_layout(folder: Path) -> Layout:
    found = [layout for layout in (coco_in(folder), yolo_in(folder), voc_in(folder)) if layout is not None]
    if not found:
        raise DataError("holds no data set that is known here", source=folder, hint=_EXPECTED)
    chosen, *others = found
    for other in others:
        said = f"{other.format} labels are there, too; {chosen.format} is read"
        chosen.report.add(Reason.OTHER_FORMAT, said, source=folder)
    return chosen
