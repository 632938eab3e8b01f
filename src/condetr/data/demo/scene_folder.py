"""Demo scenes as a COCO dataset on disk: boxes, instances, or every pixel."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from condetr.core.errors import UsageError
from condetr.core.names import Task
from condetr.data.checks.data_report import DataReport
from condetr.data.coco.panoptic_writing import write_panoptic_labels
from condetr.data.coco.writing import write_coco_labels
from condetr.data.demo.glyphs import DemoSplit
from condetr.data.demo.scenes import DIGITS, SIDE, STUFF, Scene, scene
from condetr.data.discovery.formats import read_splits
from condetr.data.records import Dataset, Example, Object
from condetr.files.new_folder import OutputFolder, whole_folder
from condetr.images.masks.box import box_of_mask
from condetr.images.masks.rle import rle_of_mask

_QUALITY = 92  # of JPEG: a fifth of the bytes of PNG, without a visible difference
_FEWEST_PIXELS = 20  # of stuff; less of it stays unlabeled


def write_scenes(
    folder: str | Path,
    *,
    train: int = 3000,
    val: int = 500,
    test: int = 0,
    seed: int = 0,
    side: int = SIDE,
    task: Task = "detect",
    step: Callable[[], None] = lambda: None,
) -> dict[str, Dataset]:
    """Write so many scenes of each split, and return what reading the folder would; ``step`` is called after each.

    The images are the same for every task. Instances are the digits; panoptic scenes also label paper, ink that is no
    digit, and other clutter.

    Raises:
        UsageError: the folder is not new, or the number of scenes is 0.
        StorageError: it cannot be written.
    """
    counts: dict[DemoSplit, int] = {"train": train, "val": val, "test": test}
    if not any(counts.values()):
        raise UsageError("no scenes to generate", source=folder, hint="set --train, --val or --test to 1 or more")
    splits: dict[str, Dataset] = {}
    classes = STUFF if task == "panoptic" else DIGITS
    with whole_folder(folder) as output:
        for split, count in counts.items():
            if count:
                examples = []
                for index in range(count):
                    examples.append(_example_of(output, split, index, seed, side, task))
                    step()
                splits[split] = Dataset(tuple(examples), classes, (output.path / split).absolute(), split)
                if task == "panoptic":
                    write_panoptic_labels(splits[split], output, split, DataReport())
                else:
                    write_coco_labels(splits[split], output, split)
    return read_splits(output.path, masks=True, panoptic=True) if task == "panoptic" and splits else splits


def _example_of(output: OutputFolder, split: DemoSplit, index: int, seed: int, side: int, task: Task) -> Example:
    drawn = scene(index, split=split, seed=seed, side=side)
    path = output.save(f"{split}/{index:06}.jpg", drawn.image, quality=_QUALITY)
    objects = _boxes(drawn) if task == "detect" else _digits(drawn)
    stuff = _stuff(drawn) if task == "panoptic" else ()
    return Example(path, (side, side), index + 1, (*objects, *stuff))


def _boxes(drawn: Scene) -> Iterator[Object]:
    for label, box in zip(drawn.labels, drawn.boxes, strict=True):
        yield Object(label, box, (box[2] - box[0]) * (box[3] - box[1]))


def _digits(drawn: Scene) -> Iterator[Object]:
    for number, label in enumerate(drawn.labels):
        yield _masked(label, drawn.owners == number)


def _stuff(drawn: Scene) -> Iterator[Object]:
    for label in STUFF.stuff:
        inside = (drawn.stuff == label) & (drawn.owners < 0)
        if inside.sum() >= _FEWEST_PIXELS:
            yield _masked(label, inside)


def _masked(label: int, inside: Bool[np.ndarray, "height width"]) -> Object:
    mask = torch.from_numpy(inside)
    x1, y1, x2, y2 = map(float, box_of_mask(mask))
    return Object(label, (x1, y1, x2, y2), float(inside.sum()), segmentation=rle_of_mask(mask))
