"""One image that the network looked at once, and what a person may ask of it since: no question looks again."""

import json
from dataclasses import dataclass, replace
from typing import TypeAlias

from PIL import Image

from condetr.images.detections import Detections

Row: TypeAlias = list[str | int | float]
HEADERS = ("#", "name", "score", "x1", "y1", "x2", "y2")
_SHADE = 0.45  # of what is not chosen
_LEGIBLE = 600  # pixels of the longer side, below which an image is painted larger than it is


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """An upright image, and everything that was found in it, best first, however low it scores."""

    image: Image.Image
    found: Detections

    def above(self, threshold: float | int) -> Detections:
        """What scores higher. A detection keeps its place, for they are sorted."""
        return self.found.above(threshold)

    @property
    def zoom(self) -> int:
        """How many times larger than it is the image is painted, so that small boxes and their names can be read."""
        return max(1, round(_LEGIBLE / max(self.image.size)))

    def rows(self, threshold: float | int) -> list[Row]:
        """A table of it, with the columns of ``HEADERS``."""
        return [
            [place, one.name, round(one.score, 3), *(round(side, 1) for side in one.box)]
            for place, one in enumerate(self.above(threshold))
        ]

    def at(self, x: float | int, y: float | int, threshold: float | int) -> int | None:
        """The place of the smallest box around a pixel of what was painted."""
        x, y = x / self.zoom, y / self.zoom
        around = [
            ((x2 - x1) * (y2 - y1), place)
            for place, ((x1, y1, x2, y2), *_) in enumerate(self.above(threshold))
            if x1 <= x <= x2 and y1 <= y <= y2
        ]
        return min(around)[1] if around else None

    def painted(self, threshold: float | int, chosen: int | None = None) -> Image.Image:
        """The image with boxes; where one is chosen it alone is in the light."""
        shown = self._zoomed(self.above(threshold))
        height, width = shown.size
        image = self.image.resize((width, height), Image.Resampling.BICUBIC)
        if chosen is None or chosen >= len(shown):
            return shown.draw(image)
        x1, y1, x2, y2 = shown[chosen].box
        box = (max(0, int(x1)), max(0, int(y1)), min(width, int(x2) + 1), min(height, int(y2) + 1))
        dark = image.point(lambda level: level * _SHADE)
        if box[0] < box[2] and box[1] < box[3]:
            dark.paste(image.crop(box), box)
        return shown[chosen : chosen + 1].draw(dark)

    def _zoomed(self, found: Detections) -> Detections:
        zoom, masks = self.zoom, found.masks
        if masks is not None:
            masks = masks.repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)
        height, width = found.size
        size = (height * zoom, width * zoom)
        return replace(found, boxes=found.boxes * zoom, size=size, masks=masks, segments=None, picture=None)

    def said_of(self, place: int, threshold: float | int) -> str:
        """One detection in words."""
        one = self.above(threshold)[place]
        x1, y1, x2, y2 = one.box
        size = f"{x2 - x1:.0f} x {y2 - y1:.0f} pixels at ({x1:.0f}, {y1:.0f})"
        return f"Detection {place}: {one.name}, score {one.score:.3f}, {size}"

    def json(self, threshold: float | int) -> str:
        return json.dumps(self.above(threshold).to_dict(), indent=1, allow_nan=False) + "\n"
