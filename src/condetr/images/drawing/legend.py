"""A legend of class colors below an image."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from condetr.images.drawing.colors import Color
from condetr.images.drawing.marks import font_of, one_line

_PAPER, _INK = (255, 255, 255), (30, 30, 30)
_LONGEST_NAME = 40


def with_legend(image: Image.Image, entries: Sequence[tuple[str, Color]]) -> Image.Image:
    """The image with names and colors below it, in as many lines as they need."""
    font = font_of(max(11, round(min(image.size) / 32)))
    high = sum(font.getmetrics()) + 4
    positions, left, line = [], 0.0, 0
    for name, color in entries:
        text = one_line(name, _LONGEST_NAME)
        wide = high + font.getlength(text) + high / 2
        if left and left + wide > image.width:
            left, line = 0.0, line + 1
        positions.append((left, line * high, text, color))
        left += wide
    sheet = Image.new("RGB", (image.width, image.height + (line + 1) * high * bool(positions)), _PAPER)
    sheet.paste(image, (0, 0))
    canvas = ImageDraw.Draw(sheet)
    for across, down, text, color in positions:
        top = image.height + down
        canvas.rectangle((across + 3, top + 3, across + high - 5, top + high - 4), fill=color, outline=_INK)
        canvas.text((across + high, top + high / 2), text, fill=_INK, font=font, anchor="lm")
    return sheet
