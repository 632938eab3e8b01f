"""A data set as COCO: `annotations/instances_SPLIT.json`, pictures in a folder per split."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condetr.data.output_folder import OutputFolder
from condetr.data.records import Dataset, Object
from condetr.data.report import Report


def write_coco(splits: Mapping[str, Dataset], folder: str | Path) -> Report:
    """Copy the pictures and write the labels; the report is empty, as COCO can say all we know.

    Raises:
        UsageError: the folder is not new.
        StorageError: it cannot be written.
    """
    output = OutputFolder(folder)
    for split, dataset in splits.items():
        for example in dataset:
            output.copy(example.path, f"{split}/{dataset.name_of(example)}")
        write_coco_labels(dataset, output, split)
    return Report()


def write_coco_labels(dataset: Dataset, output: OutputFolder, split: str) -> None:
    """The JSON file of one split, whose pictures are there already."""
    output.write(f"annotations/instances_{split}.json", json.dumps(_content_of(dataset), allow_nan=False))


def _content_of(dataset: Dataset) -> dict[str, Any]:
    categories = _numbers(dataset.classes.source_ids)
    image_ids = _numbers([example.image_id for example in dataset])
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, example in zip(image_ids, dataset, strict=True):
        height, width = example.size
        images.append({"id": image_id, "file_name": dataset.name_of(example), "width": width, "height": height})
        for crowd, objects in enumerate((example.objects, example.crowds)):
            for one in objects:
                written = _annotation_of(one, categories[one.label], crowd)
                annotations.append({"id": len(annotations) + 1, "image_id": image_id, **written})
    names = zip(categories, dataset.classes.names, strict=True)
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in names],
    }


def _annotation_of(one: Object, category: int, crowd: int) -> dict[str, Any]:
    x1, y1, x2, y2 = one.box
    written = {"category_id": category, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": one.area, "iscrowd": crowd}
    return written if one.segmentation is None else {**written, "segmentation": one.segmentation}


def _numbers(ids: Any) -> list[int]:
    """The ids themselves where all are numbers, as many readers want; else 1, 2, 3."""
    return list(ids) if all(isinstance(one, int) for one in ids) else list(range(1, len(ids) + 1))
