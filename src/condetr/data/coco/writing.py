"""A dataset written as COCO: `annotations/instances_SPLIT.json`, images in a folder per split."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from condetr.data.checks.data_report import DataReport
from condetr.data.classes import Id
from condetr.data.format_losses import report_marks
from condetr.data.image_transfer import COPY, ImageTransfer
from condetr.data.object_masks import object_masks
from condetr.data.records import Dataset, Example, Object
from condetr.data.unique_names import names_in_folders
from condetr.files.new_folder import OutputFolder
from condetr.images.masks.rle import rle_of_mask


def write_coco(splits: Mapping[str, Dataset], output: OutputFolder, transfer: ImageTransfer = COPY) -> DataReport:
    """Write images and labels; the report names what was renamed or lost.

    Raises:
        StorageError: it cannot be written.
    """
    report = DataReport()
    for split, dataset in splits.items():
        names = put_images(dataset, output, split, report, transfer)
        write_coco_labels(dataset, output, split, names)
    return report


def put_images(
    dataset: Dataset, output: OutputFolder, split: str, report: DataReport, transfer: ImageTransfer
) -> list[str]:
    """Put each file once into the folder of the split; the names of the images in it."""
    names = names_in_folders(dataset, report)
    for name, image in {name: example.image for name, example in zip(names, dataset, strict=True)}.items():
        transfer(image, output, f"{split}/{name}")
    for example in dataset:
        report_marks(example, report)
    return names


def write_coco_labels(dataset: Dataset, output: OutputFolder, split: str, names: Sequence[str] | None = None) -> None:
    """The JSON file of one split; its images are there already, as ``names`` or under their own names."""
    content = _content_of(dataset, names or [dataset.name_of(example) for example in dataset])
    output.write(f"annotations/instances_{split}.json", json.dumps(content, allow_nan=False))


def image_records(dataset: Dataset, names: Sequence[str]) -> list[dict[str, Any]]:
    ids = numbered([example.image_id for example in dataset])
    return [
        {"id": image_id, "file_name": name, "width": example.size[1], "height": example.size[0]}
        for image_id, name, example in zip(ids, names, dataset, strict=True)
    ]


def categories_of(dataset: Dataset) -> list[dict[str, Any]]:
    """With ``isthing`` if there is stuff."""
    classes = dataset.classes
    ids_and_names = zip(numbered(classes.source_ids), classes.names, strict=True)
    table = [{"id": number, "name": name} for number, name in ids_and_names]
    if not classes.stuff:
        return table
    return [category | {"isthing": int(label not in classes.stuff)} for label, category in enumerate(table)]


def numbered(ids: Sequence[Id]) -> list[int]:
    """The ids themselves if all are numbers, which many readers require; else 1, 2, 3."""
    numbers = [source_id for source_id in ids if isinstance(source_id, int)]
    return numbers if len(numbers) == len(ids) else list(range(1, len(ids) + 1))


def _content_of(dataset: Dataset, names: Sequence[str]) -> dict[str, Any]:
    numbers = numbered(dataset.classes.source_ids)
    images = image_records(dataset, names)
    annotations: list[dict[str, Any]] = []
    for image, example in zip(images, dataset, strict=True):
        for crowd, objects in enumerate((example.objects, example.crowds)):
            for labeled, segmentation in zip(objects, _segmentations(example, objects), strict=True):
                record = _annotation_of(labeled, segmentation, numbers[labeled.label], crowd)
                annotations.append({"id": len(annotations) + 1, "image_id": image["id"], **record})
    return {"images": images, "annotations": annotations, "categories": categories_of(dataset)}


def _segmentations(example: Example, objects: Sequence[Object]) -> list[Any]:
    """As the source has them; of panoptic segments, run lengths."""
    if example.segments is None:
        return [labeled.segmentation for labeled in objects]
    return [rle_of_mask(mask) for mask in object_masks(example, objects)]


def _annotation_of(labeled: Object, segmentation: Any, category: int, crowd: int) -> dict[str, Any]:
    x1, y1, x2, y2 = labeled.box
    record = {"category_id": category, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": labeled.area, "iscrowd": crowd}
    return record if segmentation is None else {**record, "segmentation": segmentation}
