"""Boxes, masks and labels painted on a picture, legible at its size.

Every class keeps its colour from picture to picture. The best detections are painted last, on top.
"""

import colorsys
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from condetr.images.detection import Detection

Colour: TypeAlias = tuple[int, int, int]
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_TINT = 0.45  # of a mask over the picture
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
    painted = picture.copy() if masks is None else _tinted(picture, found, masks)
    canvas = ImageDraw.Draw(painted)
    line = max(2, round(min(painted.size) / 200))
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


def colour_of(label: int) -> Colour:
    """Neighbouring labels are far apart on the colour circle, and the circle is walked at three brightnesses."""
    hue = label * 0.618033988749895 % 1  # the golden ratio never comes back to where it was
    lightness = (0.5, 0.68, 0.36)[label // 7 % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever has the higher contrast (WCAG 2.2, relative luminance)."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in colour))
    red, green, blue = linear
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return _BLACK if (luminance + 0.05) ** 2 > 0.05 * 1.05 else _WHITE


def _tinted(
    picture: Image.Image, found: Sequence[Detection], masks: Bool[Tensor, "detections height width"]
) -> Image.Image:
    pixels = np.array(picture)
    for i in sorted(range(len(found)), key=lambda i: found[i].score):
        inside = masks[i].cpu().numpy()
        pixels[inside] = (1 - _TINT) * pixels[inside] + _TINT * np.array(colour_of(found[i].label))
    return Image.fromarray(pixels)


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
