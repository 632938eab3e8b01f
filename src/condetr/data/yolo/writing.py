"""A data set as YOLO: `data.yaml`, `images/SPLIT/` and `labels/SPLIT/`.

An outline of one polygon is written as one; YOLO cannot hold several, holes or run lengths. Its tools want a `train`
and a `val`, whose places are looked for from the `data.yaml`, as there is no `path` in it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from condetr.core.errors import UsageError
from condetr.data.checks.data_report import Report
from condetr.data.checks.problems import Reason
from condetr.data.discovery.split_names import split_named
from condetr.data.records import Dataset, Example, Object
from condetr.data.unique_names import flat_names
from condetr.data.unwritten import tell_crowds, tell_marks
from condetr.files.new_folder import whole_folder
from condetr.images.sizes import HeightWidth

_KEYS = ("train", "val", "test")


def write_yolo(splits: Mapping[str, Dataset], folder: str | Path) -> Report:
    """Copy the images and write the boxes; the report says what YOLO cannot hold.

    Raises:
        UsageError: the folder is not new, or there is no key for a split.
        StorageError: it cannot be written.
    """
    report, places = Report(), split_of_key(splits)
    with whole_folder(folder) as output:
        for split, dataset in splits.items():
            (names,) = flat_names([dataset], report)
            for name, example in zip(names, dataset, strict=True):
                output.copy(example.path, f"images/{split}/{name}")
                lines = [_line_of(one, example.size) for one in example.objects]
                output.write(f"labels/{split}/{Path(name).with_suffix('.txt')}", "".join(lines))
                _say_what_is_lost(example, report)
        content: dict[str, Any] = {key: f"images/{split}" for key, split in places.items()}
        objects = (one for dataset in splits.values() for example in dataset for one in example.objects)
        if any(_outline_of(one) is not None for one in objects):
            content["task"] = "segment"  # else a line of nine numbers could be a box with keypoints
        classes = next(iter(splits.values())).classes
        content["names"] = dict(enumerate(classes.names))
        output.write("data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return report


def split_of_key(splits: Iterable[str]) -> dict[str, str]:
    """Which split each key of the `data.yaml` names; `train` and `val` are always there, if need be with the same.

    Raises:
        UsageError: there are several splits, and no key for one.
    """
    names = list(splits)
    if len(names) == 1 and split_named(names[0]) not in _KEYS:
        own = {key: key for key in names if key in ("all", "trainval")}
        return own | {"train": names[0], "val": names[0]}
    places = {key: name for key in _KEYS for name in names if split_named(name) == key}
    if "train" not in places and "trainval" in names:
        places["train"] = "trainval"
    others = sorted(set(names) - set(places.values()))
    if others:
        reason = f"YOLO has train, val and test; it cannot hold {', '.join(others)}"
        raise UsageError(reason, item="split", hint="write another format, or other splits")
    places.setdefault("train", names[0])
    places.setdefault("val", places["train"])
    return dict(sorted(places.items(), key=lambda place: _KEYS.index(place[0])))


def _say_what_is_lost(example: Example, report: Report) -> None:
    tell_crowds(example, report)
    tell_marks(example, report)
    for one in example.objects:
        if _outline_of(one) is None and (one.segmentation is not None or example.segments is not None):
            report.add(Reason.SEGMENTATION_LOST, "its box is written", source=example.path, item=str(one.id))


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
