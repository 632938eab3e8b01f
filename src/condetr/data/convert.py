"""A dataset in any format, written in another."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import yaml

from condetr.core.errors import DataError, UsageError
from condetr.core.names import DatasetFormat
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.coco.panoptic_writing import write_panoptic
from condetr.data.coco.writing import write_coco
from condetr.data.cvat.writing import write_cvat
from condetr.data.discovery.split_names import split_named
from condetr.data.image_transfer import COPY, ImageTransfer
from condetr.data.label_studio.writing import write_label_studio
from condetr.data.predicted import Predicted
from condetr.data.records import Dataset, Example
from condetr.data.voc.writing import voc_names, write_voc
from condetr.data.yolo.writing import split_of_key, write_yolo
from condetr.files.new_folder import OutputFolder, whole_folder

_Write: TypeAlias = Callable[[Mapping[str, Dataset], OutputFolder, ImageTransfer], DataReport]
DESCRIPTION = "dataset.yaml"  # of labels without images: where the images are
_COCO = {"coco": "instances", "coco-panoptic": "panoptic"}  # and how names of their files begin
_YOLO_ENDINGS, _YOLO_SIDE = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"), 10  # pixels


def convert(
    splits: Mapping[str, Dataset],
    folder: str | Path,
    to: DatasetFormat,
    transfer: ImageTransfer = COPY,
    *,
    predicted: Predicted | None = None,
) -> DataReport:
    """Write all splits into a new folder; the report names what was lost or renamed.

    Args:
        splits: by name, with one table of classes.
        folder: a new or empty folder.
        to: the format.
        transfer: how the images get there.
        predicted: of labels that a model detected; the scores are written beside them.

    Raises:
        AnnotationError: masks are to be written, and the dataset was read without them.
        DataError: it was read with them, and no object has one.
        UsageError: the folder is not new or among the images, or a split has a name that the format cannot hold.
        StorageError: it cannot be written.
    """
    _check_names(splits)
    check_outside(Path(folder), {example.path.parent for dataset in splits.values() for example in dataset})
    _check_objects(splits)
    writers: dict[DatasetFormat, _Write] = {
        "coco": write_coco,
        "coco-panoptic": write_panoptic,
        "yolo": write_yolo,
        "voc": write_voc,
        "cvat": partial(write_cvat, source="manual" if predicted is None else "auto"),
        "label-studio": partial(write_label_studio, predicted=predicted),
    }
    with whole_folder(folder) as output:
        report = writers[to](splits, output, transfer)
        if predicted is not None:
            predicted.write(output)
        if transfer.how == "none" and to in _COCO and not report.counts[ProblemKind.NAME_CHANGED]:
            output.write(DESCRIPTION, _description_of(splits, to))
    return report


def _description_of(splits: Mapping[str, Dataset], to: DatasetFormat) -> str:
    entries = {
        split: {"annotations": f"annotations/{_COCO[to]}_{split}.json", "images": str(dataset.root.absolute())}
        for split, dataset in splits.items()
    }
    return yaml.safe_dump({"splits": entries}, sort_keys=False, allow_unicode=True)


def remarks(splits: Mapping[str, Dataset], to: DatasetFormat) -> Iterator[str]:
    """Notes on the new dataset as a whole, beyond what the report of writing it counts."""
    if to == "yolo":
        for key, split in split_of_key(splits).items():
            if key != split_named(split) and key in ("train", "val"):
                yield f"YOLO requires {key}: data.yaml names the images of {split}"
        examples = (example for dataset in splits.values() for example in dataset)
        ignored = [example.path.name for example in examples if not _is_for_yolo(example)]
        if ignored:
            message = f"{len(ignored)} images are too small for YOLO's own tools, or not of their formats"
            yield f"{message}: {short_repr(ignored)}"
    if to == "voc":
        yield from _voc_remarks(splits)
    unknown = [split for split in splits if split_named(split) is None]
    if len(unknown) > 1:
        files = ", ".join(f"annotations/instances_{split}.json" for split in unknown)
        yield f"{', '.join(unknown)} are no usual names of splits: to read one, give its JSON file, of {files}"


def _is_for_yolo(example: Example) -> bool:
    """Whether YOLO's own tools accept it; condetr does in any case."""
    return min(example.size) >= _YOLO_SIDE and example.path.suffix.lower() in _YOLO_ENDINGS


def _voc_remarks(splits: Mapping[str, Dataset]) -> Iterator[str]:
    classes = next(iter(splits.values())).classes
    used = {labeled.label for dataset in splits.values() for example in dataset for labeled in example.objects}
    lost = [name for label, name in enumerate(classes.names) if label not in used]
    if lost:
        yield f"VOC has no list of classes, so {len(lost)} without objects are lost: {short_repr(lost)}"
    names = voc_names(classes)
    changed = [name for name, written in zip(classes.names, names, strict=True) if name != written]
    if changed:
        yield f"VOC cannot hold {len(changed)} class names as they are: {short_repr(changed)}"
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        yield f"VOC identifies classes by name only, so those called {short_repr(repeated)} are merged"


def check_outside(folder: Path, image_folders: Iterable[Path]) -> None:
    """Refuse a folder among the images: most readers use every image below a folder, so they would read both.

    Raises:
        UsageError: names the folder of the images.
    """
    real = Path(os.path.realpath(folder))
    above = {real, *real.parents}
    for top in image_folders:
        if Path(os.path.realpath(top)) in above:
            reason = f"lies in {top}, a folder of the images that are converted"
            raise UsageError(reason, source=folder, hint="choose a folder elsewhere")


def _check_objects(splits: Mapping[str, Dataset]) -> None:
    """Refuse to write no object at all, if objects were left out because of their masks."""
    if any(example.objects for dataset in splits.values() for example in dataset):
        return
    for dataset in splits.values():
        for finding in dataset.report.of(ProblemKind.BAD_SEGMENTATION):
            reason = f"no object is left because none has a usable segmentation; the first: {finding}"
            raise DataError(reason, source=dataset.root, hint="without masks, boxes are converted")


def _check_names(splits: Mapping[str, Dataset]) -> None:
    meanings: dict[str, str] = {}
    for name in splits:
        if not re.fullmatch(r"\w[\w.-]{0,63}", name):
            reason = f"{short_repr(name)} cannot name files: use letters, digits, _, - and ."
            raise UsageError(reason, item="split", hint="call it train, val or test")
        other = meanings.setdefault(split_named(name) or name, name)
        if other != name:
            raise UsageError(f"{other} and {name} mean the same split", item="split", hint="rename one of them")
