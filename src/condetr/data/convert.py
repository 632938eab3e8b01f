"""A data set in any format written in another."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from condetr.core.errors import DataError, UsageError
from condetr.core.names import DatasetFormat
from condetr.data.checks.data_report import Report, shown
from condetr.data.checks.problems import Reason
from condetr.data.coco.panoptic_writing import write_panoptic
from condetr.data.coco.writing import write_coco
from condetr.data.discovery.split_names import split_named
from condetr.data.records import Dataset, Example
from condetr.data.voc.writing import voc_names, write_voc
from condetr.data.yolo.writing import split_of_key, write_yolo

_YOLO_ENDINGS, _YOLO_SIDE = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"), 10  # pixels
_WRITERS = {"coco": write_coco, "coco-panoptic": write_panoptic, "yolo": write_yolo, "voc": write_voc}


def convert(splits: Mapping[str, Dataset], folder: str | Path, to: DatasetFormat) -> Report:
    """Write all splits into a new folder; the report says what was lost or renamed on the way.

    Raises:
        AnnotationError: masks are to be written, and the data set was read without them.
        DataError: it was read with them, and no object has one.
        UsageError: the folder is not new or among the images, or a split has a name that the format cannot hold.
        StorageError: it cannot be written.
    """
    _check_names(splits)
    _check_place(splits, Path(folder))
    _check_rest(splits)
    return _WRITERS[to](splits, folder)


def remarks(splits: Mapping[str, Dataset], to: DatasetFormat) -> Iterator[str]:
    """What a person should know of the new data set as a whole, beyond what the report of writing it counts."""
    if to == "yolo":
        for key, split in split_of_key(splits).items():
            if key != split_named(split) and key in ("train", "val"):
                yield f"YOLO wants {key}: data.yaml names the images of {split}"
        passed_over = [one.path.name for dataset in splits.values() for one in dataset if not _is_for_yolo(one)]
        if passed_over:
            said = f"{len(passed_over)} images are too small for YOLO's own tools, or not of their formats"
            yield f"{said}: {shown(passed_over)}"
    if to == "voc":
        yield from _voc_remarks(splits)
    unknown = [split for split in splits if split_named(split) is None]
    if len(unknown) > 1:
        files = ", ".join(f"annotations/instances_{split}.json" for split in unknown)
        yield f"{', '.join(unknown)} are no usual names of splits: name one JSON file to read it, of {files}"


def _is_for_yolo(example: Example) -> bool:
    """Whether the tools of YOLO take it; condetr does in any case."""
    return min(example.size) >= _YOLO_SIDE and example.path.suffix.lower() in _YOLO_ENDINGS


def _voc_remarks(splits: Mapping[str, Dataset]) -> Iterator[str]:
    classes = next(iter(splits.values())).classes
    used = {one.label for dataset in splits.values() for example in dataset for one in example.objects}
    lost = [name for label, name in enumerate(classes.names) if label not in used]
    if lost:
        yield f"VOC has no list of classes, so that {len(lost)} without objects are lost: {shown(lost)}"
    names = voc_names(classes)
    changed = [name for name, written in zip(classes.names, names, strict=True) if name != written]
    if changed:
        yield f"VOC cannot hold {len(changed)} class names as they are: {shown(changed)}"
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        yield f"VOC tells classes by name only, so that those called {shown(repeated)} become one"


def _check_place(splits: Mapping[str, Dataset], folder: Path) -> None:
    """Most readers take every image below a folder: the new ones would be found there, too."""
    place = Path(os.path.realpath(folder))
    above = {place, *place.parents}
    for top in {example.path.parent for dataset in splits.values() for example in dataset}:
        if Path(os.path.realpath(top)) in above:
            reason = f"lies in {top}, a folder of the images that are converted"
            raise UsageError(reason, source=folder, hint="name a folder elsewhere")


def _check_rest(splits: Mapping[str, Dataset]) -> None:
    """Whether any object is left, where objects were left out for their masks."""
    if any(example.objects for dataset in splits.values() for example in dataset):
        return
    for dataset in splits.values():
        for finding in dataset.report.of(Reason.BAD_SEGMENTATION):
            reason = f"no object is left, for none has a segmentation; the first: {finding}"
            raise DataError(reason, source=dataset.root, hint="without masks, boxes are converted")


def _check_names(splits: Mapping[str, Dataset]) -> None:
    known: dict[str, str] = {}
    for name in splits:
        if not re.fullmatch(r"\w[\w.-]{0,63}", name):
            reason = f"{shown(name)} cannot name files: letters, digits, _, - and . can"
            raise UsageError(reason, item="split", hint="name it train, val or test")
        other = known.setdefault(split_named(name) or name, name)
        if other != name:
            raise UsageError(f"{other} and {name} mean the same split", item="split", hint="name one of them otherwise")
