"""What a data set holds, as bars: classes, sizes, numbers and proportions of its objects, split beside split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, Shaped
from PIL import Image, ImageDraw, ImageFont

from condetr.data.records import Dataset
from condetr.images.drawing.marks import font_of, one_line

Bars: TypeAlias = tuple[Sequence[str], Mapping[str, Sequence[float]]]  # what stands below, and a share each by split
Values: TypeAlias = Shaped[np.ndarray, "values"]
_WIDTH, _HEIGHT = 560, 340
_SIDE, _TOP, _BOTTOM = 20, 56, 36
_MOST_BARS = 20
_LONGEST = 16  # characters of a name
_INK, _FAINT, _PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
_COLORS = ((30, 80, 200), (200, 110, 0), (20, 130, 60), (120, 50, 160))


def charts_of(splits: Mapping[str, Dataset]) -> Image.Image:
    """Four charts of shares, so that a large and a small split can be compared."""
    sides = {split: _sides_of(dataset) for split, dataset in splits.items()}
    charts = {
        "objects of each class, share of all": _classes(splits),
        "objects in an image": _numbers(
            {s: np.array([len(one.objects) for one in data]) for s, data in splits.items()}, 1.0
        ),
        "side of a box, root of its area in pixels": _numbers({s: np.sqrt(x.prod(axis=1)) for s, x in sides.items()}),
        "width of a box by its height": _numbers({s: _ratios(x) for s, x in sides.items()}),
    }
    sheet = Image.new("RGB", (2 * _WIDTH, 2 * _HEIGHT), _PAPER)
    for place, (title, bars) in enumerate(charts.items()):
        sheet.paste(_chart(title, *bars), (place % 2 * _WIDTH, place // 2 * _HEIGHT))
    return sheet


def _sides_of(dataset: Dataset) -> Float64[np.ndarray, "objects 2"]:
    corners = np.array([one.box for example in dataset for one in example.objects], dtype=np.float64).reshape(-1, 4)
    return corners[:, 2:] - corners[:, :2]


def _ratios(sides: Float64[np.ndarray, "objects 2"]) -> Values:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # what is not finite has no place in a chart
        return sides[:, 0] / sides[:, 1]


def _classes(splits: Mapping[str, Dataset]) -> Bars:
    """The most frequent ones, and what is left of them."""
    counts = {
        split: Counter(data.classes.names[one.label] for example in data for one in example.objects)
        for split, data in splits.items()
    }
    names = [name for name, _ in sum(counts.values(), Counter[str]()).most_common(_MOST_BARS)]
    return names, {split: [count[name] / max(1, count.total()) for name in names] for split, count in counts.items()}


def _numbers(values: Mapping[str, Values], least_step: float = 0.0) -> Bars:
    """Shares of the values between round numbers; the last bar holds the one per cent that is far out, too."""
    values = {split: one[np.isfinite(one)] for split, one in values.items()}
    every = np.concatenate([np.zeros(0), *values.values()])
    if not len(every):
        return [], {}
    low, high = float(every.min()), float(np.percentile(every, 99))
    step = max(_round_step(max((high - low) / _MOST_BARS, abs(high) * 1e-9)), least_step)
    first = np.floor(low / step) * step
    edges = first + step * np.arange(max(2, int((high - first) / step) + 2))
    shares = {
        split: np.histogram(np.clip(one, edges[0], edges[-1]), edges)[0] / max(1, len(one))
        for split, one in values.items()
    }
    return [f"{edge:g}" for edge in edges[:-1].round(6)], {split: one.tolist() for split, one in shares.items()}


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... or their hundredths."""
    magnitude = 10.0 ** np.floor(np.log10(max(step, 1e-6)))
    return float(next(round_one * magnitude for round_one in (1, 2, 5, 10) if round_one * magnitude >= step))


def _chart(title: str, labels: Sequence[str], shares: Mapping[str, Sequence[float]]) -> Image.Image:
    chart = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    pen, font = ImageDraw.Draw(chart), font_of(13)
    labels = [one_line(label, _LONGEST) for label in labels]
    pen.text((_SIDE, 10), title, fill=_INK, font=font)
    highest = max((max(one) for one in shares.values() if len(one)), default=0.0)
    floor = _HEIGHT - _BOTTOM
    pen.line((_SIDE, floor, _WIDTH - _SIDE, floor), fill=_INK)
    pen.line((_SIDE, _TOP, _WIDTH - _SIDE, _TOP), fill=_FAINT)
    pen.text((_WIDTH - _SIDE, _TOP), f"{highest:.0%}", fill=_INK, font=font, anchor="rd")
    room = (_WIDTH - 2 * _SIDE) / max(1, len(labels))
    width = 0.8 * room / max(1, len(shares))
    left = float(_SIDE)
    for number, (split, heights) in enumerate(shares.items()):
        color = _COLORS[number % len(_COLORS)]
        name = one_line(split, _LONGEST)
        pen.text((left, 32), name, fill=color, font=font)
        left += font.getlength(name) + 14
        for place, share in enumerate(heights):
            x = _SIDE + (place + 0.1) * room + number * width
            top = floor - share / (highest or 1) * (floor - _TOP)
            pen.rectangle((x, top, max(x, x + width - 1), floor), fill=color)
    _write_labels(pen, font, labels, room, floor)
    return chart


def _write_labels(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    labels: Sequence[str],
    room: float,
    floor: int,
) -> None:
    """As many as fit beside each other."""
    widest = max((font.getlength(label) for label in labels), default=0.0)
    every = max(1, int(np.ceil((widest + 8) / room)))
    for place in range(0, len(labels), every):
        middle = _SIDE + (place + 0.5) * room
        pen.text((middle, floor + 6), labels[place], fill=_INK, font=font, anchor="mt")
