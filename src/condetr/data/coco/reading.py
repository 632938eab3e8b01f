"""COCO detection annotations (https://cocodataset.org/#format-data): one JSON file, images in a folder.

Boxes are x, y, width, height in pixels of the upright image. Where ``width`` and ``height`` of the file
contradict the image, the image is right, and the report says so: boxes drawn on an image that EXIF turns,
by a tool that does not turn it, show up there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from condetr.data.checks.data_report import Fault, Report
from condetr.data.coco.objects import ObjectReader
from condetr.data.coco.tables import classes_of, images_of, likeliest, lists_of
from condetr.data.records import Dataset, Example
from condetr.files.json_reading import read_json


def read_coco(annotations: Path, folders: Sequence[Path], *, split: str = "all", masks: bool = False) -> Dataset:
    """Everything usable; what is not is in the report, and may still have to be refused (`Report.refuse`).

    Args:
        annotations: the JSON file.
        folders: where the images may be; one of them is what ``file_name`` starts from.
        split: what to call the data set.
        masks: whether objects need a segmentation, checked here and kept.

    Raises:
        AnnotationError: the file is not COCO detection JSON.
        StorageError: it cannot be read.
    """
    content = lists_of(read_json(annotations, trim=None if masks else _without_segmentation), annotations)
    report, images = Report(), likeliest(folders, content["images"]).absolute()
    classes = classes_of(content["categories"], annotations, report)
    named, found = images_of(content["images"], images, annotations, report)
    reader = ObjectReader(classes, named, found, masks=masks)
    for position, given in enumerate(content["annotations"]):
        place = report.place(annotations, f"annotations[{position}]")
        try:
            reader.read(given, place)
        except Fault as fault:
            place.add_fault(fault)
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
        for image_id, (path, size) in found.items()
    )
    return Dataset(examples, classes, images, split, report)


def _without_segmentation(table: dict[str, Any]) -> dict[str, Any]:
    """Outlines are most of a COCO file, and boxes need them only where they are missing."""
    if table.get("bbox") is not None:
        table.pop("segmentation", None)
    return table
