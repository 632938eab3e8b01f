"""Boxes, masks and labels painted on a picture, legible at its size.

Every class keeps its colour from picture to picture. The best detections are painted last, on top.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from condetr.images.colours import colour_of, ink_on, shades_of
from condetr.images.detection import Detection
from condetr.images.legend import with_legend
from condetr.images.tint import coloured, tinted

_LONGEST_NAME = 60


class _Place(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "_Place") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def draw(
    picture: Image.Image, found: Sequence[Detection], masks: Bool[Tensor, "detections height width"] | None = None
) -> Image.Image:
    """A painted copy of an upright RGB picture; ``masks`` are of its size."""
    line = max(2, round(min(picture.size) / 200))
    painted = picture.copy() if masks is None else _with_masks(picture, found, masks, line)
    canvas = ImageDraw.Draw(painted)
    font = ImageFont.load_default(max(11, round(min(painted.size) / 32)))
    assert isinstance(font, ImageFont.FreeTypeFont), "this Pillow was built without FreeType"
    placed: list[_Place] = []
    for one in sorted(found, key=lambda one: one.score):
        _draw_box(canvas, one, line)
    for one in sorted(found, key=lambda one: -one.score):  # the best choose their place first
        text, place = _label(one, line, font, painted.size, placed)
        colour = colour_of(one.label)
        canvas.rectangle(place, fill=colour)
        middle = (place.left + _margin(font), (place.top + place.bottom) / 2)
        canvas.text(middle, text, fill=ink_on(colour), font=font, anchor="lm")
        placed.append(place)
    return painted


def draw_segments(
    picture: Image.Image, found: Sequence[Detection], segments: Int[Tensor, "height width"]
) -> Image.Image:
    """A copy whose regions have the colours of their classes, with a legend below; several of a class have shades."""
    counts = Counter(one.label for one in found)
    colours = np.array([(0, 0, 0), *shades_of(one.label for one in found)], dtype=np.uint8)
    names = {one.label: one.name for one in found}
    entries = [
        (f"{names[label]} ({count})" if count > 1 else names[label], colour_of(label))
        for label, count in counts.most_common()
    ]
    return with_legend(coloured(picture, segments.cpu().numpy(), colours), entries)


def _with_masks(
    picture: Image.Image, found: Sequence[Detection], masks: Bool[Tensor, "detections height width"], line: int
) -> Image.Image:
    order = sorted(range(len(found)), key=lambda i: found[i].score)
    return tinted(picture, ((masks[i].cpu().numpy(), colour_of(found[i].label)) for i in order), line=line // 2)


def _draw_box(canvas: ImageDraw.ImageDraw, one: Detection, line: int) -> None:
    width, height = canvas.im.size
    x1, x2 = (min(max(round(x), 0), width - 1) for x in one.box[0::2])
    y1, y2 = (min(max(round(y), 0), height - 1) for y in one.box[1::2])
    colour = colour_of(one.label)
    canvas.rectangle((x1, y1, x2, y2), outline=ink_on(colour), width=line + 2)  # seen on any background
    inner = (min(x1 + 1, x2), min(y1 + 1, y2), max(x2 - 1, x1), max(y2 - 1, y1))
    canvas.rectangle(inner, outline=colour, width=line)


def _label(
    one: Detection, line: int, font: ImageFont.FreeTypeFont, size: tuple[int, int], placed: Sequence[_Place]
) -> tuple[str, _Place]:
    """The text that fits the width of the picture, and the first free place for it around its box."""
    width, height = size
    name = " ".join(one.name.split())[:_LONGEST_NAME]
    text = f"{name} {one.score:.2f}".strip()
    while font.getlength(text) + 2 * _margin(font) > width and name:
        name = name[:-1]
        text = f"{name}… {one.score:.2f}"
    wide, high = font.getlength(text) + 2 * _margin(font), sum(font.getmetrics()) + 2
    x1, y1, x2, y2 = one.box
    corners = ((x1, y1 - high), (x1, y1 + line), (x1, y2), (x1, y2 - high - line), (x2 - wide, y1 - high))
    lefts = (max(0, min(left, width - wide)) for left, _ in corners)
    tops = (max(0, min(top, height - high)) for _, top in corners)
    places = [_Place(left, top, left + wide, top + high) for left, top in zip(lefts, tops, strict=True)]
    free = [place for place in places if not any(place.overlaps(other) for other in placed)]
    return text, (free or places)[0]


def _margin(font: ImageFont.FreeTypeFont) -> float:
    return font.size / 4
