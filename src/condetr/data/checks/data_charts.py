"""Bar charts of a dataset: classes, sizes, numbers and proportions of its objects, split beside split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, Shaped
from PIL import Image

from condetr.charts.axes import round_step
from condetr.charts.bars import shares_chart
from condetr.charts.sheet import tiled
from condetr.data.records import Dataset

Bars: TypeAlias = tuple[Sequence[str], Mapping[str, Sequence[float]]]  # labels, and the share of each by split
Values: TypeAlias = Shaped[np.ndarray, "values"]
_MOST_BARS = 20


def charts_of(splits: Mapping[str, Dataset]) -> Image.Image:
    """Four charts of shares, which compare a large and a small split."""
    sides = {split: _sides_of(dataset) for split, dataset in splits.items()}
    charts = {
        "objects of each class, share of all": _classes(splits),
        "objects in an image": _numbers({s: data.columns.counts() for s, data in splits.items()}, 1.0),
        "side of a box, root of its area in pixels": _numbers({s: np.sqrt(x.prod(axis=1)) for s, x in sides.items()}),
        "width of a box by its height": _numbers({s: _ratios(x) for s, x in sides.items()}),
    }
    return tiled([shares_chart(title, *bars) for title, bars in charts.items()], 2)


def _sides_of(dataset: Dataset) -> Float64[np.ndarray, "objects 2"]:
    corners = dataset.columns.objects().boxes
    return corners[:, 2:] - corners[:, :2]


def _ratios(sides: Float64[np.ndarray, "objects 2"]) -> Values:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # charts leave out what is not finite
        return sides[:, 0] / sides[:, 1]


def _classes(splits: Mapping[str, Dataset]) -> Bars:
    """Shares of the most frequent classes."""
    counts = {
        split: Counter(data.classes.names[label] for label in data.columns.objects().labels.tolist())
        for split, data in splits.items()
    }
    names = [name for name, _ in sum(counts.values(), Counter[str]()).most_common(_MOST_BARS)]
    return names, {split: [count[name] / max(1, count.total()) for name in names] for split, count in counts.items()}


def _numbers(values: Mapping[str, Values], least_step: float = 0.0) -> Bars:
    """Shares of the values between round numbers; the last bar includes the outlying one percent."""
    values = {split: of_split[np.isfinite(of_split)] for split, of_split in values.items()}
    every = np.concatenate([np.zeros(0), *values.values()])
    if not len(every):
        return [], {}
    low, high = float(every.min()), float(np.percentile(every, 99))
    step = max(round_step(max((high - low) / _MOST_BARS, abs(high) * 1e-9, 1e-6)), least_step)
    first = np.floor(low / step) * step
    edges = first + step * np.arange(max(2, int((high - first) / step) + 2))
    shares = {
        split: np.histogram(np.clip(of_split, edges[0], edges[-1]), edges)[0] / max(1, len(of_split))
        for split, of_split in values.items()
    }
    return [f"{edge:g}" for edge in edges[:-1].round(6)], {
        split: of_split.tolist() for split, of_split in shares.items()
    }
