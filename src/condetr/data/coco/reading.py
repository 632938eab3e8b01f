"""COCO detection annotations (https://cocodataset.org/#format-data): one JSON file, images in a folder.

Boxes are x, y, width, height in pixels of the upright image. Where ``width`` and ``height`` of the file
contradict the image, those of the image count and the difference is reported: it reveals boxes that were drawn on
an image that EXIF turns, by a tool that does not turn it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from condetr.data.checks.data_report import DataReport
from condetr.data.coco.objects import ObjectReader
from condetr.data.coco.tables import classes_of, images_of, likeliest, lists_of
from condetr.data.records import Dataset, Example
from condetr.files.json_reading import read_json


def read_coco(annotations: Path, folders: Sequence[Path], *, split: str = "all", masks: bool = False) -> Dataset:
    """Everything usable; the rest is in the report, which may still refuse the dataset (`DataReport.refuse`).

    Args:
        annotations: the JSON file.
        folders: where the images may be; ``file_name`` starts from one of them.
        split: name of the split.
        masks: whether objects need a segmentation, checked here and kept.

    Raises:
        AnnotationError: the file is not COCO detection JSON.
        StorageError: it cannot be read.
    """
    content = lists_of(read_json(annotations, trim=None if masks else _without_segmentation), annotations)
    report, root = DataReport(), likeliest(folders, content["images"]).absolute()
    classes = classes_of(content["categories"], annotations, report)
    names, files = images_of(content["images"], root, annotations, report)
    reader = ObjectReader(classes, names, files, masks=masks)
    for position, annotation in enumerate(content["annotations"]):
        with report.at(annotations, f"annotations[{position}]") as location:
            reader.read(annotation, location)
    examples = tuple(
        Example(
            path,
            size,
            image_id,
            tuple(reader.objects[image_id]),
            tuple(reader.crowds[image_id]),
            lost=tuple(reader.lost[image_id]),
            lost_crowds=tuple(reader.lost_crowds[image_id]),
        )
        for image_id, (path, size) in files.items()
    )
    return Dataset(examples, classes, root, split, report)


def _without_segmentation(record: dict[str, Any]) -> dict[str, Any]:
    """Segmentations are most of a COCO file, and boxes need them only where ``bbox`` is missing."""
    if record.get("bbox") is not None:
        record.pop("segmentation", None)
    return record
