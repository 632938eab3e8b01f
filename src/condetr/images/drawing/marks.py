"""Boxes and short texts painted on images and charts. Painting never fails, whatever the values."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from condetr.images.drawing.colors import Color, ink_on

_POINT = (70, 220, 255)
_LONGEST = 60  # characters of a text
_STEPS = 4  # positions tried, one below the other
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"


class Rectangle(NamedTuple):
    """Edges, in pixels."""

    left: float | int
    top: float | int
    right: float | int
    bottom: float | int


class OccupiedSpace:
    """The rectangles of labels, of which there may be thousands."""

    def __init__(self) -> None:
        self._rectangles, self._count = np.zeros((64, 4)), 0

    def __len__(self) -> int:
        return self._count

    def add(self, rectangle: Rectangle) -> None:
        if self._count == len(self._rectangles):
            self._rectangles = np.concatenate((self._rectangles, np.zeros_like(self._rectangles)))
        self._rectangles[self._count] = rectangle
        self._count += 1

    def is_free(self, rectangle: Rectangle) -> bool:
        left, top, right, bottom = self._rectangles[: self._count].T
        across = (left < rectangle.right) & (rectangle.left < right)
        return not (across & (top < rectangle.bottom) & (rectangle.top < bottom)).any()


def font_of(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "this Pillow was built without FreeType"
    return font


def one_line(text: str, longest: int = _LONGEST) -> str:
    """A text without line breaks and control characters; the middle of a long one is replaced by "…"."""
    if len(text) > 4 * longest:
        text = text[: 2 * longest] + text[-2 * longest :]
    shown = "".join(char if char.isprintable() else _UNREADABLE for char in " ".join(text.split()))
    if len(shown) <= longest:
        return shown
    head = (longest - 1) // 2
    return f"{shown[:head]}…{shown[head + 1 - longest :]}"


def fitted(text: str, font: ImageFont.FreeTypeFont, width: float | int) -> str:
    """The text in one line of at most this width; the middle of a wider one is replaced by "…"."""
    longest = len(shown := one_line(text))
    while longest > 2 and font.getlength(shown) > width:
        longest -= 1
        shown = one_line(text, longest)
    return shown


def scored(name: str, score: float | int) -> str:
    """A name and its score; the colon keeps them apart where a class is called "1"."""
    return f"{name}: {score:.2f}" if name else f"{score:.2f}"


def clipped(box: Sequence[float | int], size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The pixels that a box covers in an image of (width, height), at least one; None for NaN."""
    if any(map(math.isnan, box)):
        return None
    x1, x2 = (round(min(max(x, 0), size[0] - 1)) for x in sorted(box[0::2]))
    y1, y2 = (round(min(max(y, 0), size[1] - 1)) for y in sorted(box[1::2]))
    return x1, y1, x2, y2


def paint_box(
    image: Image.Image, box: Sequence[float | int], color: Color, *, width: int = 2, rim: Color | None = None
) -> None:
    """The outline of a box inside the image, with a ``rim`` visible on any background; a thin box is a line."""
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
    occupied: OccupiedSpace,
) -> None:
    """A text on a background color, its lower left corner ``at`` this point, inside the image, below earlier tags."""
    inside = clipped((*at, *at), image.size)
    if inside is None or not (shown := fitted(text, font, image.width - 4)):
        return
    pen, (x, y, *_) = ImageDraw.Draw(image), inside
    wide, high = font.getlength(shown) + 4, sum(font.getmetrics())
    left, top = max(0.0, min(x, image.width - wide)), max(0.0, min(y, image.height) - high)
    spaces = [Rectangle(left, top + step * high, left + wide, top + (step + 1) * high) for step in range(_STEPS)]
    space = next((s for s in spaces if occupied.is_free(s) and s.bottom <= image.height), spaces[0])
    occupied.add(space)
    pen.rectangle((space.left, space.top, space.right - 1, space.bottom - 1), fill=color)
    pen.text((space.left + 2, space.top), shown, fill=ink_on(color), font=font, anchor="la")


def captioned(image: Image.Image, text: str, *, width: int | None = None, size: int = 12) -> Image.Image:
    """The image centered in this width, with a caption of one line below."""
    font, width = font_of(size), width or image.width
    sheet = Image.new("RGB", (width, image.height + size + 6), (255, 255, 255))
    sheet.paste(image, ((width - image.width) // 2, 0))
    shown = fitted(text, font, width - 4)
    ImageDraw.Draw(sheet).text((width / 2, image.height + 3), shown, fill=(40, 40, 40), font=font, anchor="mt")
    return sheet


def paint_point(tile: Image.Image, at: tuple[float, float], radius: int) -> None:
    """A disc with a dark rim, visible on any background."""
    (x, y), pen = at, ImageDraw.Draw(tile)
    pen.ellipse((x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1), fill=(0, 0, 0))
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_POINT)
