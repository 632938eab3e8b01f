"""Boxes, masks and labels painted on an image, legible at its size.

Every class has the same color in all images. The best detections are painted last, on top.
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
from condetr.images.drawing.marks import OccupiedSpace, Rectangle, clipped, font_of, one_line, paint_box, scored
from condetr.images.drawing.tint import colored, tinted

_LONGEST_NAME = 60
_CROWDED = 200  # labels, after which only labels with free space are painted


def draw(
    image: Image.Image,
    detections: Sequence[Detection],
    masks: Bool[Tensor, "detections height width"] | None = None,
    *,
    scores: bool = True,
) -> Image.Image:
    """An annotated copy of an upright RGB image; ``masks`` have its size. ``scores``: whether labels have them."""
    line = max(2, round(min(image.size) / 200))
    painted = image.copy() if masks is None else _with_masks(image, detections, masks, line)
    canvas = ImageDraw.Draw(painted)
    font = font_of(max(11, round(min(painted.size) / 32)))
    occupied = OccupiedSpace()
    for detection in sorted(detections, key=lambda detection: detection.score):
        color = color_of(detection.label)
        paint_box(painted, detection.box, color, width=line, rim=ink_on(color))
    for detection in sorted(detections, key=lambda detection: -detection.score):  # the best get their space first
        label = _label(detection, line, font, painted.size, occupied, scores=scores)
        if label is None:
            continue
        (text, space), color = label, color_of(detection.label)
        canvas.rectangle(space, fill=color)
        middle = (space.left + _margin(font), (space.top + space.bottom) / 2)
        canvas.text(middle, text, fill=ink_on(color), font=font, anchor="lm")
        occupied.add(space)
    return painted


def draw_segments(
    image: Image.Image, detections: Sequence[Detection], segments: Int[Tensor, "height width"]
) -> Image.Image:
    """A copy with segments in shades of the color of their class, and a legend below."""
    labels = [detection.label for detection in detections]
    counts = Counter(labels)
    colors = np.array([(0, 0, 0), *shades_of(labels)], dtype=np.uint8)
    names = {detection.label: detection.name for detection in detections}
    entries = [
        (f"{names[label]} ({count})" if count > 1 else names[label], color_of(label))
        for label, count in counts.most_common()
    ]
    return with_legend(colored(image, segments.cpu().numpy(), colors), entries)


def _with_masks(
    image: Image.Image, detections: Sequence[Detection], masks: Bool[Tensor, "detections height width"], line: int
) -> Image.Image:
    order = sorted(range(len(detections)), key=lambda i: detections[i].score)
    return tinted(image, ((masks[i].cpu().numpy(), color_of(detections[i].label)) for i in order), line=line // 2)


def _label(
    detection: Detection,
    line: int,
    font: ImageFont.FreeTypeFont,
    size: tuple[int, int],
    occupied: OccupiedSpace,
    *,
    scores: bool,
) -> tuple[str, Rectangle] | None:
    """The text, shortened to the width of the image, and the first free space for it around its box."""
    inside = clipped(detection.box, size)
    if inside is None:
        return None
    width, height = size
    name = one_line(detection.name, _LONGEST_NAME)
    text = scored(name, detection.score) if scores else name
    while font.getlength(text) + 2 * _margin(font) > width and name:
        name = name[:-1]
        text = scored(f"{name}…", detection.score) if scores else f"{name}…"
    wide, high = font.getlength(text) + 2 * _margin(font), sum(font.getmetrics()) + 2
    x1, y1, x2, y2 = inside
    corners = ((x1, y1 - high), (x1, y1 + line), (x1, y2), (x1, y2 - high - line), (x2 - wide, y1 - high))
    lefts = (max(0, min(left, width - wide)) for left, _ in corners)
    tops = (max(0, min(top, height - high)) for _, top in corners)
    spaces = [Rectangle(left, top, left + wide, top + high) for left, top in zip(lefts, tops, strict=True)]
    free = next((space for space in spaces if occupied.is_free(space)), None)
    if free is None and len(occupied) >= _CROWDED:
        return None
    return text, free or spaces[0]


def _margin(font: ImageFont.FreeTypeFont) -> float:
    return font.size / 4
