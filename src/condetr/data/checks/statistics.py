"""Statistics of a dataset: counts and sizes of images and objects."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from condetr.data.records import Dataset

_SMALL, _MEDIUM = 32**2, 96**2  # COCO's bounds of an object's area in pixels
_PERCENTILES = (0, 10, 50, 90, 100)


@dataclass(frozen=True)
class Statistics:
    """Of one split; the names are keys of JSON.

    Attributes:
        pictures: number of images.
        without_objects: number of images without an object.
        objects: by class name, without crowds.
        crowds: number of crowds.
        by_size: objects that COCO calls small, medium and large.
        per_picture: percentiles 0, 10, 50, 90, 100 of objects in an image; likewise below.
        picture_widths: in pixels; likewise the heights.
        box_sides: square root of the box's area, in pixels.
        proportions: width by height of the boxes.
    """

    pictures: int
    without_objects: int
    objects: Mapping[str, int]
    crowds: int
    by_size: Mapping[str, int]
    per_picture: tuple[float, ...]
    picture_widths: tuple[float, ...]
    picture_heights: tuple[float, ...]
    box_sides: tuple[float, ...]
    proportions: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(self).items()}


def statistics_of(dataset: Dataset) -> Statistics:
    """Count and measure labels; no image is opened."""
    columns = dataset.columns
    objects, per_picture = columns.objects(), columns.counts()
    width, height = (objects.boxes[:, 2:] - objects.boxes[:, :2]).T
    areas, sizes = objects.areas, columns.sizes.astype(np.float64)
    return Statistics(
        pictures=len(dataset),
        without_objects=int((per_picture == 0).sum()),
        objects=_by_name(dataset.classes.names, Counter(objects.labels.tolist())),
        crowds=int(columns.counts("crowds").sum()),
        by_size={
            "small": int((areas < _SMALL).sum()),
            "medium": int(((areas >= _SMALL) & (areas < _MEDIUM)).sum()),
            "large": int((areas >= _MEDIUM).sum()),
        },
        per_picture=_percentiles(per_picture.astype(np.float64)),
        picture_widths=_percentiles(sizes[:, 1]),
        picture_heights=_percentiles(sizes[:, 0]),
        box_sides=_percentiles(np.sqrt(width * height)),
        proportions=_percentiles(width / height),
    )


def _by_name(names: tuple[str, ...], counts: Counter[int]) -> dict[str, int]:
    """Most frequent first; classes with the same name are added up."""
    named: Counter[str] = Counter(dict.fromkeys(names, 0))
    for label, count in counts.items():
        named[names[label]] += count
    return dict(named.most_common())


def _percentiles(values: Float64[np.ndarray, "values"]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.percentile(values, _PERCENTILES)) if len(values) else ()
