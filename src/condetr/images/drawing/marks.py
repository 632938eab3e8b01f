"""Boxes and short texts painted on images and charts. To paint never fails, whatever the values are."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from condetr.images.drawing.colors import Color, ink_on

_POINT = (70, 220, 255)
_LONGEST = 60  # characters of a text
_STEPS = 4  # places below each other that are tried
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"


class Place(NamedTuple):
    """Edges, in pixels."""

    left: float | int
    top: float | int
    right: float | int
    bottom: float | int


class Taken:
    """Places that labels have, of which there may be thousands."""

    def __init__(self) -> None:
        self._places, self._count = np.zeros((64, 4)), 0

    def __len__(self) -> int:
        return self._count

    def add(self, place: Place) -> None:
        if self._count == len(self._places):
            self._places = np.concatenate((self._places, np.zeros_like(self._places)))
        self._places[self._count] = place
        self._count += 1

    def is_free(self, place: Place) -> bool:
        left, top, right, bottom = self._places[: self._count].T
        across = (left < place.right) & (place.left < right)
        return not (across & (top < place.bottom) & (place.top < bottom)).any()


def font_of(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "this Pillow was built without FreeType"
    return font


def one_line(text: str, longest: int = _LONGEST) -> str:
    """A text that can be painted: without line breaks and control characters, its middle left out if it is long."""
    if len(text) > 4 * longest:
        text = text[: 2 * longest] + text[-2 * longest :]
    shown = "".join(char if char.isprintable() else _UNREADABLE for char in " ".join(text.split()))
    if len(shown) <= longest:
        return shown
    head = (longest - 1) // 2
    return f"{shown[:head]}…{shown[head + 1 - longest :]}"


def fitted(text: str, font: ImageFont.FreeTypeFont, width: float | int) -> str:
    """One line that is not wider than this, its middle left out where it would be."""
    longest = len(shown := one_line(text))
    while longest > 2 and font.getlength(shown) > width:
        longest -= 1
        shown = one_line(text, longest)
    return shown


def scored(name: str, score: float | int) -> str:
    """A name and its score, which a class called 1 must not turn into another number."""
    return f"{name}: {score:.2f}" if name else f"{score:.2f}"


def clipped(box: Sequence[float | int], size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The pixels of a (width, height) that a box covers, at least one; None where it is no box at all."""
    if any(map(math.isnan, box)):
        return None
    x1, x2 = (round(min(max(x, 0), size[0] - 1)) for x in sorted(box[0::2]))
    y1, y2 = (round(min(max(y, 0), size[1] - 1)) for y in sorted(box[1::2]))
    return x1, y1, x2, y2


def paint_box(
    image: Image.Image, box: Sequence[float | int], color: Color, *, width: int = 2, rim: Color | None = None
) -> None:
    """The outline of what lies in the image, with a ``rim`` seen on any ground; a thin box is a line."""
    inside = clipped(box, image.size)
    if inside is None:
        return
    pen, (x1, y1, x2, y2) = ImageDraw.Draw(image), inside
    if rim is not None:
        pen.rectangle((x1, y1, x2, y2), outline=rim, width=width + 2)
        x1, x2 = (x1 + 1, x2 - 1) if x2 - x1 >= 2 else (x1, x2)
        y1, y2 = (y1 + 1, y2 - 1) if y2 - y1 >= 2 else (y1, y2)
    pen.rectangle((x1, y1, x2, y2), outline=color, width=width)


def paint_tag(
    image: Image.Image,
    at: tuple[float | int, float | int],
    text: str,
    color: Color,
    font: ImageFont.FreeTypeFont,
    taken: Taken,
) -> None:
    """A text on its color, its lower left corner ``at`` a place; in the image, and below tags that are there."""
    inside = clipped((*at, *at), image.size)
    if inside is None or not (shown := fitted(text, font, image.width - 4)):
        return
    pen, (x, y, *_) = ImageDraw.Draw(image), inside
    wide, high = font.getlength(shown) + 4, sum(font.getmetrics())
    left, top = max(0.0, min(x, image.width - wide)), max(0.0, min(y, image.height) - high)
    places = [Place(left, top + step * high, left + wide, top + (step + 1) * high) for step in range(_STEPS)]
    place = next((one for one in places if taken.is_free(one) and one.bottom <= image.height), places[0])
    taken.add(place)
    pen.rectangle((place.left, place.top, place.right - 1, place.bottom - 1), fill=color)
    pen.text((place.left + 2, place.top), shown, fill=ink_on(color), font=font, anchor="la")


def captioned(image: Image.Image, text: str, *, width: int | None = None, size: int = 12) -> Image.Image:
    """The image in the middle of a strip of this width, with one line about it below."""
    font, width = font_of(size), width or image.width
    sheet = Image.new("RGB", (width, image.height + size + 6), (255, 255, 255))
    sheet.paste(image, ((width - image.width) // 2, 0))
    shown = fitted(text, font, width - 4)
    ImageDraw.Draw(sheet).text((width / 2, image.height + 3), shown, fill=(40, 40, 40), font=font, anchor="mt")
    return sheet


def paint_point(tile: Image.Image, at: tuple[float, float], radius: int) -> None:
    """A disc with a dark rim, seen on any ground."""
    (x, y), pen = at, ImageDraw.Draw(tile)
    pen.ellipse((x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1), fill=(0, 0, 0))
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_POINT)
