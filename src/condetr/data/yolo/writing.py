"""A dataset written as YOLO: `data.yaml`, `images/SPLIT/` and `labels/SPLIT/`.

A segmentation of one polygon is written as an outline; YOLO cannot hold several polygons, holes or run lengths. Its
tools require a `train` and a `val`; their paths start from the folder of `data.yaml`, which therefore has no `path`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from condetr.core.errors import UsageError
from condetr.data.checks.data_report import DataReport
from condetr.data.discovery.split_names import split_named
from condetr.data.format_losses import report_crowds, report_marks, report_segmentation
from condetr.data.image_transfer import COPY, ImageTransfer
from condetr.data.records import Dataset, Example, Object
from condetr.data.unique_names import flat_names
from condetr.files.new_folder import OutputFolder
from condetr.images.sizes import HeightWidth

_KEYS = ("train", "val", "test")


def write_yolo(splits: Mapping[str, Dataset], output: OutputFolder, transfer: ImageTransfer = COPY) -> DataReport:
    """Write images and boxes; the report names what YOLO cannot hold.

    Raises:
        UsageError: YOLO has no key for a split.
        StorageError: it cannot be written.
    """
    report, split_by_key = DataReport(), split_of_key(splits)
    for split, dataset in splits.items():
        (names,) = flat_names([dataset], report)
        for name, example in zip(names, dataset, strict=True):
            transfer(example.image, output, f"images/{split}/{name}")
            lines = [_line_of(labeled, example.size) for labeled in example.objects]
            output.write(f"labels/{split}/{Path(name).with_suffix('.txt')}", "".join(lines))
            _report_losses(example, report)
    content: dict[str, Any] = {key: f"images/{split}" for key, split in split_by_key.items()}
    objects = (labeled for dataset in splits.values() for example in dataset for labeled in example.objects)
    if any(_outline_of(labeled) is not None for labeled in objects):
        content["task"] = "segment"  # else a line of nine numbers could be a box with keypoints
    classes = next(iter(splits.values())).classes
    content["names"] = dict(enumerate(classes.names))
    output.write("data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return report


def split_of_key(splits: Iterable[str]) -> dict[str, str]:
    """The split of each key of `data.yaml`; `train` and `val` are always there, with the same split if necessary.

    Raises:
        UsageError: there are several splits, and YOLO has no key for one.
    """
    names = list(splits)
    if len(names) == 1 and split_named(names[0]) not in _KEYS:
        own = {key: key for key in names if key in ("all", "trainval")}
        return own | {"train": names[0], "val": names[0]}
    table = {key: name for key in _KEYS for name in names if split_named(name) == key}
    if "train" not in table and "trainval" in names:
        table["train"] = "trainval"
    others = sorted(set(names) - set(table.values()))
    if others:
        reason = f"YOLO has train, val and test; it cannot hold {', '.join(others)}"
        raise UsageError(reason, item="split", hint="write another format, or other splits")
    table.setdefault("train", names[0])
    table.setdefault("val", table["train"])
    return dict(sorted(table.items(), key=lambda item: _KEYS.index(item[0])))


def _report_losses(example: Example, report: DataReport) -> None:
    report_crowds(example, report)
    report_marks(example, report)
    for labeled in example.objects:
        if _outline_of(labeled) is None:
            report_segmentation(labeled, example, report)


def _line_of(labeled: Object, size: HeightWidth) -> str:
    (x1, y1, x2, y2), (height, width) = labeled.box, size
    numbers: list[float] = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
    outline = _outline_of(labeled)
    if outline is not None:
        points = zip(outline[::2], outline[1::2], strict=True)
        numbers = [side for x, y in points for side in (_within(x / width), _within(y / height))]
    return f"{labeled.label} " + " ".join(f"{number:.12g}" for number in numbers) + "\n"


def _outline_of(labeled: Object) -> list[int | float] | None:
    is_simple = isinstance(labeled.segmentation, list) and len(labeled.segmentation) == 1
    return labeled.segmentation[0] if is_simple else None


def _within(share: float) -> float:
    return min(max(share, 0.0), 1.0)
