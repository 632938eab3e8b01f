"""Demo scenes as a COCO data set on disk."""

from collections.abc import Callable
from pathlib import Path

from condetr.data.glyphs import DemoSplit
from condetr.data.output_folder import OutputFolder
from condetr.data.records import Dataset, Example, Object
from condetr.data.scenes import DIGITS, SIDE, scene
from condetr.data.write_coco import write_coco_labels

_QUALITY = 92  # of JPEG: a fifth of the bytes of PNG, and nothing to see


def write_scenes(
    folder: str | Path,
    *,
    train: int = 3000,
    val: int = 500,
    test: int = 0,
    seed: int = 0,
    side: int = SIDE,
    step: Callable[[], None] = lambda: None,
) -> dict[str, Dataset]:
    """Write that many scenes of each split, and give back what reading the folder would; ``step`` is called after each.

    Raises:
        UsageError: the folder is not new.
        StorageError: it cannot be written.
    """
    output = OutputFolder(folder)
    counts: dict[DemoSplit, int] = {"train": train, "val": val, "test": test}
    splits: dict[str, Dataset] = {}
    for split, count in counts.items():
        if count:
            examples = []
            for index in range(count):
                examples.append(_example_of(output, split, index, seed, side))
                step()
            splits[split] = Dataset(tuple(examples), DIGITS, (output.path / split).absolute(), split)
            write_coco_labels(splits[split], output, split)
    return splits


def _example_of(output: OutputFolder, split: DemoSplit, index: int, seed: int, side: int) -> Example:
    made = scene(index, split=split, seed=seed, side=side)
    path = output.save(f"{split}/{index:06}.jpg", made.picture, quality=_QUALITY)
    labelled = zip(made.labels, made.boxes, strict=True)
    objects = tuple(Object(label, box, (box[2] - box[0]) * (box[3] - box[1])) for label, box in labelled)
    return Example(path, (side, side), index + 1, objects)
