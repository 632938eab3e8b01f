"""Boxes, masks and labels painted on an image, legible at its size.

Every class keeps its color from image to image. The best detections are painted last, on top.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from condetr.images.detection import Detection
from condetr.images.drawing.colors import color_of, ink_on, shades_of
from condetr.images.drawing.legend import with_legend
from condetr.images.drawing.marks import Place, Taken, clipped, font_of, one_line, paint_box, scored
from condetr.images.drawing.tint import colored, tinted

_LONGEST_NAME = 60
_CROWDED = 200  # labels, after which only those are painted that have a free place


def draw(
    image: Image.Image,
    found: Sequence[Detection],
    masks: Bool[Tensor, "detections height width"] | None = None,
    *,
    scores: bool = True,
) -> Image.Image:
    """A painted copy of an upright RGB image; ``masks`` are of its size. Labels have no ``scores``."""
    line = max(2, round(min(image.size) / 200))
    painted = image.copy() if masks is None else _with_masks(image, found, masks, line)
    canvas = ImageDraw.Draw(painted)
    font = font_of(max(11, round(min(painted.size) / 32)))
    placed = Taken()
    for one in sorted(found, key=lambda one: one.score):
        color = color_of(one.label)
        paint_box(painted, one.box, color, width=line, rim=ink_on(color))
    for one in sorted(found, key=lambda one: -one.score):  # the best choose their place first
        label = _label(one, line, font, painted.size, placed, scores=scores)
        if label is None:
            continue
        (text, place), color = label, color_of(one.label)
        canvas.rectangle(place, fill=color)
        middle = (place.left + _margin(font), (place.top + place.bottom) / 2)
        canvas.text(middle, text, fill=ink_on(color), font=font, anchor="lm")
        placed.add(place)
    return painted


def draw_segments(image: Image.Image, found: Sequence[Detection], segments: Int[Tensor, "height width"]) -> Image.Image:
    """A copy whose regions have the colors of their classes, with a legend below; several of a class have shades."""
    counts = Counter(one.label for one in found)
    colors = np.array([(0, 0, 0), *shades_of(one.label for one in found)], dtype=np.uint8)
    names = {one.label: one.name for one in found}
    entries = [
        (f"{names[label]} ({count})" if count > 1 else names[label], color_of(label))
        for label, count in counts.most_common()
    ]
    return with_legend(colored(image, segments.cpu().numpy(), colors), entries)


def _with_masks(
    image: Image.Image, found: Sequence[Detection], masks: Bool[Tensor, "detections height width"], line: int
) -> Image.Image:
    order = sorted(range(len(found)), key=lambda i: found[i].score)
    return tinted(image, ((masks[i].cpu().numpy(), color_of(found[i].label)) for i in order), line=line // 2)


def _label(
    one: Detection,
    line: int,
    font: ImageFont.FreeTypeFont,
    size: tuple[int, int],
    placed: Taken,
    *,
    scores: bool,
) -> tuple[str, Place] | None:
    """The text that fits the width of the image, and the first free place for it around its box."""
    inside = clipped(one.box, size)
    if inside is None:
        return None
    width, height = size
    name = one_line(one.name, _LONGEST_NAME)
    text = scored(name, one.score) if scores else name
    while font.getlength(text) + 2 * _margin(font) > width and name:
        name = name[:-1]
        text = scored(f"{name}…", one.score) if scores else f"{name}…"
    wide, high = font.getlength(text) + 2 * _margin(font), sum(font.getmetrics()) + 2
    x1, y1, x2, y2 = inside
    corners = ((x1, y1 - high), (x1, y1 + line), (x1, y2), (x1, y2 - high - line), (x2 - wide, y1 - high))
    lefts = (max(0, min(left, width - wide)) for left, _ in corners)
    tops = (max(0, min(top, height - high)) for _, top in corners)
    places = [Place(left, top, left + wide, top + high) for left, top in zip(lefts, tops, strict=True)]
    free = next((place for place in places if placed.is_free(place)), None)
    if free is None and len(placed) >= _CROWDED:
        return None
    return text, free or places[0]


def _margin(font: ImageFont.FreeTypeFont) -> float:
    return font.size / 4
