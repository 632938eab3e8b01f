"""A data set as COCO: `annotations/instances_SPLIT.json`, images in a folder per split."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from condetr.data.checks.data_report import Report
from condetr.data.classes import Id
from condetr.data.object_masks import object_masks
from condetr.data.records import Dataset, Example, Object
from condetr.data.unique_names import names_in_folders
from condetr.data.unwritten import tell_marks
from condetr.files.new_folder import OutputFolder, whole_folder
from condetr.images.masks.rle import rle_of_mask


def write_coco(splits: Mapping[str, Dataset], folder: str | Path) -> Report:
    """Copy the images and write the labels; the report says what was renamed, as COCO can hold the rest.

    Raises:
        UsageError: the folder is not new.
        StorageError: it cannot be written.
    """
    report = Report()
    with whole_folder(folder) as output:
        for split, dataset in splits.items():
            names = copy_images(dataset, output, split, report)
            write_coco_labels(dataset, output, split, names)
    return report


def copy_images(dataset: Dataset, output: OutputFolder, split: str, report: Report) -> list[str]:
    """Copy each file once; the names of the images in the folder of the split."""
    names = names_in_folders(dataset, report)
    for name, path in {name: example.path for name, example in zip(names, dataset, strict=True)}.items():
        output.copy(path, f"{split}/{name}")
    for example in dataset:
        tell_marks(example, report)
    return names


def write_coco_labels(dataset: Dataset, output: OutputFolder, split: str, names: Sequence[str] | None = None) -> None:
    """The JSON file of one split, whose images are there already; under ``names`` where they are not their own."""
    content = _content_of(dataset, names or [dataset.name_of(example) for example in dataset])
    output.write(f"annotations/instances_{split}.json", json.dumps(content, allow_nan=False))


def images_of(dataset: Dataset, names: Sequence[str]) -> list[dict[str, Any]]:
    ids = numbered([example.image_id for example in dataset])
    return [
        {"id": image_id, "file_name": name, "width": example.size[1], "height": example.size[0]}
        for image_id, name, example in zip(ids, names, dataset, strict=True)
    ]


def categories_of(dataset: Dataset) -> list[dict[str, Any]]:
    """With ``isthing``, where some are none."""
    classes = dataset.classes
    named = zip(numbered(classes.source_ids), classes.names, strict=True)
    table = [{"id": number, "name": name} for number, name in named]
    if not classes.stuff:
        return table
    return [one | {"isthing": int(label not in classes.stuff)} for label, one in enumerate(table)]


def numbered(ids: Sequence[Id]) -> list[int]:
    """The ids themselves where all are numbers, as many readers want; else 1, 2, 3."""
    numbers = [one for one in ids if isinstance(one, int)]
    return numbers if len(numbers) == len(ids) else list(range(1, len(ids) + 1))


def _content_of(dataset: Dataset, names: Sequence[str]) -> dict[str, Any]:
    numbers = numbered(dataset.classes.source_ids)
    images = images_of(dataset, names)
    annotations: list[dict[str, Any]] = []
    for image, example in zip(images, dataset, strict=True):
        for crowd, objects in enumerate((example.objects, example.crowds)):
            for one, outline in zip(objects, _outlines(example, objects), strict=True):
                written = _annotation_of(one, outline, numbers[one.label], crowd)
                annotations.append({"id": len(annotations) + 1, "image_id": image["id"], **written})
    return {"images": images, "annotations": annotations, "categories": categories_of(dataset)}


def _outlines(example: Example, objects: Sequence[Object]) -> list[Any]:
    """As the source has them; of segments, run lengths."""
    if example.segments is None:
        return [one.segmentation for one in objects]
    return [rle_of_mask(mask) for mask in object_masks(example, objects)]


def _annotation_of(one: Object, outline: Any, category: int, crowd: int) -> dict[str, Any]:
    x1, y1, x2, y2 = one.box
    written = {"category_id": category, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": one.area, "iscrowd": crowd}
    return written if outline is None else {**written, "segmentation": outline}
