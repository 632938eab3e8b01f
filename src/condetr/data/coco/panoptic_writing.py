"""A data set as COCO panoptic: `annotations/panoptic_SPLIT.json`, a PNG an image beside it, images in SPLIT/."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from condetr.data.checks.data_report import Report
from condetr.data.checks.problems import Reason
from condetr.data.coco.writing import categories_of, copy_images, images_of, numbered
from condetr.data.object_masks import object_masks
from condetr.data.records import Dataset, Example, Object
from condetr.data.unique_names import numbered_apart
from condetr.files.new_folder import OutputFolder, whole_folder
from condetr.images.coco_labels.panoptic import boxes_of_masks
from condetr.images.masks.segment_png import image_of_numbers, numbers_of


def write_panoptic(splits: Mapping[str, Dataset], folder: str | Path) -> Report:
    """Copy the images, write the labels; where objects share pixels, the smallest gets them, as the report says.

    Raises:
        AnnotationError: the data set was read without masks.
        UsageError: the folder is not new.
        StorageError: it cannot be written.
    """
    report = Report()
    with whole_folder(folder) as output:
        for split, dataset in splits.items():
            names = copy_images(dataset, output, split, report)
            write_panoptic_labels(dataset, output, split, report, names)
    return report


def write_panoptic_labels(
    dataset: Dataset, output: OutputFolder, split: str, report: Report, names: Sequence[str] | None = None
) -> None:
    """The JSON file and the PNGs of one split, whose images are there already; under ``names`` if not their own."""
    images = images_of(dataset, names or [dataset.name_of(example) for example in dataset])
    png_names = numbered_apart([PurePosixPath(image["file_name"]).with_suffix(".png").as_posix() for image in images])
    categories = numbered(dataset.classes.source_ids)
    annotations: list[dict[str, Any]] = []
    for image, name, example in zip(images, png_names, dataset, strict=True):
        objects = (*example.crowds, *example.objects)
        owner, kept = _owners(example, objects, report)
        numbers = numbers_of(objects[place].label for place in kept)
        table = torch.zeros(len(objects) + 1, dtype=torch.int64)
        table[torch.tensor(kept, dtype=torch.int64) + 1] = torch.tensor(numbers, dtype=torch.int64)
        _save_png(output, f"annotations/panoptic_{split}/{name}", table[owner])
        infos = [
            _info(objects[place], number, owner == place + 1, categories, crowd=place < len(example.crowds))
            for place, number in zip(kept, numbers, strict=True)
        ]
        annotations.append({"image_id": image["id"], "file_name": name, "segments_info": infos})
    content = {"images": images, "annotations": annotations, "categories": categories_of(dataset)}
    output.write(f"annotations/panoptic_{split}.json", json.dumps(content, allow_nan=False))


def _owners(
    example: Example, objects: Sequence[Object], report: Report
) -> tuple[Int64[Tensor, "height width"], list[int]]:
    """Which object each pixel belongs to, counted from 1, crowds below all others; and those that are left."""
    masks = object_masks(example, objects)
    areas = masks.flatten(1).sum(dim=1).tolist()
    owner = torch.zeros(example.size, dtype=torch.int64)
    crowds = len(example.crowds)
    for place in sorted(range(len(objects)), key=lambda place: (place >= crowds, -areas[place])):
        owner[masks[place]] = place + 1
    left = torch.bincount(owner.flatten(), minlength=len(objects) + 1)[1:].tolist()
    for one, now, before in zip(objects, left, areas, strict=True):
        if now < before or not now:
            reason, said = (Reason.OVERLAP, f"keeps {now} of {before} pixels") if now else (Reason.COVERED, "has none")
            report.add(reason, said, source=example.path, item=f"annotation {one.id}")
    return owner, [place for place, count in enumerate(left) if count]


def _info(
    one: Object, number: int, mask: Bool[Tensor, "height width"], categories: Sequence[int], *, crowd: bool
) -> dict[str, Any]:
    """Box and area are those of the pixels; a box is x, y, width, height."""
    x1, y1, x2, y2 = boxes_of_masks(mask[None])[0].int().tolist()
    box = [x1, y1, x2 + 1 - x1, y2 + 1 - y1]
    area = int(mask.sum())
    return {"id": number, "category_id": categories[one.label], "iscrowd": int(crowd), "bbox": box, "area": area}


def _save_png(output: OutputFolder, name: str, numbers: Int64[Tensor, "height width"]) -> None:
    content = io.BytesIO()
    image_of_numbers(numbers).save(content, "PNG")
    output.write_bytes(name, content.getvalue())
