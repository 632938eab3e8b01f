"""Any path to labelled pictures in, data sets out: the format found by content, the splits by name."""

from pathlib import Path

from condetr.core.errors import DataError, UsageError
from condetr.data.coco_kind import holds_segments
from condetr.data.coco_layout import coco_file, coco_in
from condetr.data.description import FORMAT as DESCRIBED
from condetr.data.description import described, is_description
from condetr.data.layout import Layout
from condetr.data.panoptic_layout import FORMAT as PANOPTIC
from condetr.data.panoptic_layout import panoptic_file, panoptic_in
from condetr.data.reasons import Reason
from condetr.data.records import Dataset
from condetr.data.split_names import split_named
from condetr.data.strict_json import read_json
from condetr.data.text_files import yaml_of
from condetr.data.voc_layout import voc_in
from condetr.data.yolo_layout import is_yolo_yaml, yolo_file, yolo_in

_DESCRIPTION_BYTES = 2**20  # a larger JSON file holds labels itself
_EXPECTED = (
    "expected COCO (annotations/*.json, also panoptic), YOLO (data.yaml), Pascal VOC (Annotations/*.xml), "
    "one COCO JSON file, or a YAML or JSON file with `splits:`"
)


def layout_of(path: str | Path, *, panoptic: bool = False) -> Layout:
    """What kind of data set this folder or file is, and its splits.

    Args:
        path: a folder or file in any of the formats.
        panoptic: whether COCO's panoptic annotations are meant, where there are others, too.

    Raises:
        UsageError: there is nothing.
        DataError: none that is known; or none that is panoptic.
    """
    layout = _layout_of(Path(path), panoptic=panoptic)
    if panoptic and layout.format not in (PANOPTIC, DESCRIBED):
        raise _not_panoptic(path, layout.format)
    return layout


def _layout_of(path: Path, *, panoptic: bool) -> Layout:
    if not path.exists():
        raise UsageError("does not exist", source=path)
    if path.is_dir():
        return _folder_layout(path, panoptic=panoptic)
    if not path.is_file():
        raise DataError("is neither a file nor a folder", source=path)
    if path.suffix.lower() in (".yaml", ".yml"):
        content = yaml_of(path)
        if is_yolo_yaml(content):
            return yolo_file(path, content, anywhere=True)
    elif path.suffix.lower() == ".json":
        content = read_json(path) if path.stat().st_size < _DESCRIPTION_BYTES else None
        if not is_description(content):
            is_panoptic = holds_segments(path)
            read = panoptic_file(path) if is_panoptic else coco_file(path)
            return Layout(PANOPTIC if is_panoptic else "coco", path, {split_named(path.stem) or "all": read})
    else:
        content = None
    if not is_description(content):
        raise DataError("is no data set that is known here", source=path, hint=_EXPECTED)
    return described(path, content)


def read_dataset(path: str | Path, split: str | None = None, *, masks: bool = False, panoptic: bool = False) -> Dataset:
    """One split; which one may be left open where there is only one.

    Args:
        path: a folder or file in any of the formats.
        split: its name, as `layout_of` tells them.
        masks: whether objects need a segmentation.
        panoptic: whether COCO's panoptic annotations are meant, where there are others, too.

    Raises:
        DataError: there is no such data set or split, or nothing in it can be used.
        AnnotationError: labels that no model should learn from; the first of them is named.
    """
    layout = layout_of(path, panoptic=panoptic)
    if split is None and len(layout.names) == 1:
        split = layout.names[0]
    if split is None or split not in layout.splits:
        asked = "which split is meant?" if split is None else f"has no split {split!r};"
        raise DataError(f"{asked} there are {', '.join(layout.names)}", source=path, item="split")
    return _checked(layout.read(split, masks=masks), path, panoptic=panoptic)


def read_splits(path: str | Path, *, masks: bool = False, panoptic: bool = False) -> dict[str, Dataset]:
    """All splits, by name, with one table of classes; the arguments are those of `read_dataset`.

    Raises:
        DataError: as `read_dataset`, or splits that do not agree on the classes.
    """
    layout = layout_of(path, panoptic=panoptic)
    read = {split: _checked(layout.read(split, masks=masks), path, panoptic=panoptic) for split in layout.names}
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


def _checked(dataset: Dataset, path: str | Path, *, panoptic: bool) -> Dataset:
    if panoptic and any(example.segments is None for example in dataset):
        raise _not_panoptic(path, dataset.split)
    return usable(dataset, path)


def _not_panoptic(path: str | Path, what: str) -> DataError:
    reason = f"holds annotations ({what}) that are not panoptic: they do not tell one segment, or none, for every pixel"
    return DataError(reason, source=path, hint="name a COCO panoptic JSON file, or the folder that holds it")


def _folder_layout(folder: Path, *, panoptic: bool) -> Layout:
    coco = panoptic_in(folder) if panoptic else coco_in(folder) or panoptic_in(folder)
    found = [layout for layout in (coco, yolo_in(folder), voc_in(folder)) if layout is not None]
    if not found and panoptic:
        return _folder_layout(folder, panoptic=False)
    if not found:
        raise DataError("holds no data set that is known here", source=folder, hint=_EXPECTED)
    chosen, *others = found
    for other in others:
        said = f"{other.format} labels are there, too; {chosen.format} is read"
        chosen.report.add(Reason.OTHER_FORMAT, said, source=folder)
    return chosen
