"""A data set as YOLO: `data.yaml`, `images/SPLIT/` and `labels/SPLIT/`.

An outline of one polygon is written as one; YOLO cannot hold several, holes or run lengths.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml

from condetr.data.output_folder import OutputFolder
from condetr.data.output_names import OutputNames
from condetr.data.reasons import Reason
from condetr.data.records import Dataset, Object
from condetr.data.report import Report
from condetr.images.sizes import HeightWidth


def write_yolo(splits: Mapping[str, Dataset], folder: str | Path) -> Report:
    """Copy the pictures and write the boxes; the report says what YOLO cannot hold.

    Raises:
        UsageError: the folder is not new.
        StorageError: it cannot be written.
    """
    output, report = OutputFolder(folder), Report()
    for split, dataset in splits.items():
        names = OutputNames(report)
        for example in dataset:
            name = names.name_of(dataset, example)
            output.copy(example.path, f"images/{split}/{name}")
            lines = [_line_of(one, example.size) for one in example.objects]
            output.write(f"labels/{split}/{Path(name).with_suffix('.txt')}", "".join(lines))
            for _ in example.crowds:
                report.add(Reason.CROWD_LOST, "is left out", source=example.path)
            for one in example.objects:
                if _outline_of(one) is None and (one.segmentation is not None or example.segments is not None):
                    report.add(Reason.SEGMENTATION_LOST, "its box is written", source=example.path, item=str(one.id))
    classes = next(iter(splits.values())).classes
    content = {"path": ".", **{split: f"images/{split}" for split in splits}, "names": dict(enumerate(classes.names))}
    output.write("data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return report


def _line_of(one: Object, size: HeightWidth) -> str:
    (x1, y1, x2, y2), (height, width) = one.box, size
    numbers: list[float] = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
    outline = _outline_of(one)
    if outline is not None:
        points = zip(outline[::2], outline[1::2], strict=True)
        numbers = [side for x, y in points for side in (_within(x / width), _within(y / height))]
    return f"{one.label} " + " ".join(f"{number:.12g}" for number in numbers) + "\n"


def _outline_of(one: Object) -> list[int | float] | None:
    is_simple = isinstance(one.segmentation, list) and len(one.segmentation) == 1
    return one.segmentation[0] if is_simple else None


def _within(share: float) -> float:
    return min(max(share, 0.0), 1.0)
