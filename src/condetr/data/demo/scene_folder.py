"""Demo scenes as a COCO data set on disk: boxes, instances, or every pixel."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

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
from condetr.images.masks.rle import rle_of_mask

_QUALITY = 92  # of JPEG: a fifth of the bytes of PNG, and nothing to see
_FEWEST_PIXELS = 20  # of stuff; less of it is nobody's


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
    """Write that many scenes of each split, and give back what reading the folder would; ``step`` is called after each.

    The images are the same for every task. Instances are the digits; panoptic scenes also tell which pixels show
    paper, ink that is no digit, or other clutter.

    Raises:
        UsageError: the folder is not new, or no scene is asked for.
        StorageError: it cannot be written.
    """
    counts: dict[DemoSplit, int] = {"train": train, "val": val, "test": test}
    if not any(counts.values()):
        raise UsageError("no scenes to make", source=folder, hint="--train, --val or --test is to be 1 or more")
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
    made = scene(index, split=split, seed=seed, side=side)
    path = output.save(f"{split}/{index:06}.jpg", made.image, quality=_QUALITY)
    objects = _boxes(made) if task == "detect" else _digits(made)
    stuff = _stuff(made) if task == "panoptic" else ()
    return Example(path, (side, side), index + 1, (*objects, *stuff))


def _boxes(made: Scene) -> Iterator[Object]:
    for label, box in zip(made.labels, made.boxes, strict=True):
        yield Object(label, box, (box[2] - box[0]) * (box[3] - box[1]))


def _digits(made: Scene) -> Iterator[Object]:
    for number, label in enumerate(made.labels):
        yield _outlined(label, made.owners == number)


def _stuff(made: Scene) -> Iterator[Object]:
    for label in STUFF.stuff:
        inside = (made.stuff == label) & (made.owners < 0)
        if inside.sum() >= _FEWEST_PIXELS:
            yield _outlined(label, inside)


def _outlined(label: int, inside: np.ndarray) -> Object:
    rows, columns = np.nonzero(inside)
    box = (float(columns.min()), float(rows.min()), float(columns.max()) + 1, float(rows.max()) + 1)
    return Object(label, box, float(len(rows)), segmentation=rle_of_mask(torch.from_numpy(inside)))
