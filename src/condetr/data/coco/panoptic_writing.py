"""A dataset written as COCO panoptic: `annotations/panoptic_SPLIT.json`, PNGs beside it, images in SPLIT/."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.coco.writing import categories_of, image_records, numbered, put_images
from condetr.data.image_transfer import COPY, ImageTransfer
from condetr.data.object_masks import object_masks
from condetr.data.records import Dataset, Example, Object
from condetr.data.unique_names import numbered_apart
from condetr.files.new_folder import OutputFolder
from condetr.images.masks.box import box_of_mask
from condetr.images.masks.segment_png import image_of_numbers, numbers_of


def write_panoptic(splits: Mapping[str, Dataset], output: OutputFolder, transfer: ImageTransfer = COPY) -> DataReport:
    """Write images and labels; pixels that objects share go to the smallest, which is reported.

    Raises:
        AnnotationError: the dataset was read without masks.
        StorageError: it cannot be written.
    """
    report = DataReport()
    for split, dataset in splits.items():
        names = put_images(dataset, output, split, report, transfer)
        write_panoptic_labels(dataset, output, split, report, names)
    return report


def write_panoptic_labels(
    dataset: Dataset, output: OutputFolder, split: str, report: DataReport, names: Sequence[str] | None = None
) -> None:
    """The JSON file and the PNGs of one split; its images are there already, as ``names`` or under their own names."""
    images = image_records(dataset, names or [dataset.name_of(example) for example in dataset])
    png_names = numbered_apart([PurePosixPath(image["file_name"]).with_suffix(".png").as_posix() for image in images])
    categories = numbered(dataset.classes.source_ids)
    annotations: list[dict[str, Any]] = []
    for image, name, example in zip(images, png_names, dataset, strict=True):
        objects = (*example.crowds, *example.objects)
        owner, kept = _owners(example, objects, report)
        numbers = numbers_of(objects[position].label for position in kept)
        table = torch.zeros(len(objects) + 1, dtype=torch.int64)
        table[torch.tensor(kept, dtype=torch.int64) + 1] = torch.tensor(numbers, dtype=torch.int64)
        _save_png(output, f"annotations/panoptic_{split}/{name}", table[owner])
        infos = [
            _info(objects[position], number, owner == position + 1, categories, crowd=position < len(example.crowds))
            for position, number in zip(kept, numbers, strict=True)
        ]
        annotations.append({"image_id": image["id"], "file_name": name, "segments_info": infos})
    content = {"images": images, "annotations": annotations, "categories": categories_of(dataset)}
    output.write(f"annotations/panoptic_{split}.json", json.dumps(content, allow_nan=False))


def _owners(
    example: Example, objects: Sequence[Object], report: DataReport
) -> tuple[Int64[Tensor, "height width"], list[int]]:
    """The object of each pixel, counted from 1, crowds below all others; and the positions that own a pixel."""
    masks = object_masks(example, objects)
    areas = masks.flatten(1).sum(dim=1).tolist()
    owner = torch.zeros(example.size, dtype=torch.int64)
    crowds = len(example.crowds)
    for position in sorted(range(len(objects)), key=lambda position: (position >= crowds, -areas[position])):
        owner[masks[position]] = position + 1
    left = torch.bincount(owner.flatten(), minlength=len(objects) + 1)[1:].tolist()
    for labeled, now, before in zip(objects, left, areas, strict=True):
        item = f"annotation {labeled.id}"
        if not now:
            report.add(ProblemKind.COVERED, "keeps no pixel", source=example.path, item=item)
        elif now < before:
            report.add(ProblemKind.OVERLAP, f"keeps {now} of {before} pixels", source=example.path, item=item)
    return owner, [position for position, count in enumerate(left) if count]


def _info(
    labeled: Object, number: int, mask: Bool[Tensor, "height width"], categories: Sequence[int], *, crowd: bool
) -> dict[str, Any]:
    """Box (x, y, width, height) and area are those of the pixels."""
    x1, y1, x2, y2 = box_of_mask(mask)
    return {
        "id": number,
        "category_id": categories[labeled.label],
        "iscrowd": int(crowd),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": int(mask.sum()),
    }


def _save_png(output: OutputFolder, name: str, numbers: Int64[Tensor, "height width"]) -> None:
    content = io.BytesIO()
    image_of_numbers(numbers).save(content, "PNG")
    output.write_bytes(name, content.getvalue())
