"""One image with its detections, filtered and painted on the page without running the network again."""

import json
from dataclasses import dataclass, replace
from typing import TypeAlias

from PIL import Image

from condetr.images.detections import Detections

Row: TypeAlias = list[str | int | float]
HEADERS = ("#", "name", "score", "x1", "y1", "x2", "y2")
_SHADE = 0.45  # brightness outside the selected detection
_LEGIBLE = 600  # pixels of the longer side, below which an image is enlarged


@dataclass(frozen=True, slots=True, eq=False)
class PageImage:
    """An upright image and all its detections, best first, at any score."""

    image: Image.Image
    detections: Detections

    def above(self, threshold: float | int) -> Detections:
        """Detections with higher scores. They keep their indices, for they are sorted."""
        return self.detections.above(threshold)

    @property
    def zoom(self) -> int:
        """Factor by which the image is enlarged, so that small boxes and their labels are legible."""
        return max(1, round(_LEGIBLE / max(self.image.size)))

    def rows(self, threshold: float | int) -> list[Row]:
        """A table of the detections, with the columns of ``HEADERS``."""
        return [
            [index, detection.name, round(detection.score, 3), *(round(side, 1) for side in detection.box)]
            for index, detection in enumerate(self.above(threshold))
        ]

    def at(self, x: float | int, y: float | int, threshold: float | int) -> int | None:
        """The index of the smallest box around a pixel of the painted image."""
        x, y = x / self.zoom, y / self.zoom
        around = [
            ((x2 - x1) * (y2 - y1), index)
            for index, ((x1, y1, x2, y2), *_) in enumerate(self.above(threshold))
            if x1 <= x <= x2 and y1 <= y <= y2
        ]
        return min(around)[1] if around else None

    def painted(self, threshold: float | int, selected: int | None = None) -> Image.Image:
        """The image with boxes; outside a selected detection it is darkened."""
        shown = self._zoomed(self.above(threshold))
        height, width = shown.size
        image = self.image.resize((width, height), Image.Resampling.BICUBIC)
        if selected is None or selected >= len(shown):
            return shown.draw(image)
        x1, y1, x2, y2 = shown[selected].box
        box = (max(0, int(x1)), max(0, int(y1)), min(width, int(x2) + 1), min(height, int(y2) + 1))
        dark = image.point(lambda level: level * _SHADE)
        if box[0] < box[2] and box[1] < box[3]:
            dark.paste(image.crop(box), box)
        return shown[selected : selected + 1].draw(dark)

    def _zoomed(self, detections: Detections) -> Detections:
        zoom, masks = self.zoom, detections.masks
        if masks is not None:
            masks = masks.repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)
        height, width = detections.size
        size = (height * zoom, width * zoom)
        return replace(detections, boxes=detections.boxes * zoom, size=size, masks=masks, segments=None, picture=None)

    def describe(self, index: int, threshold: float | int) -> str:
        """One detection in words."""
        detection = self.above(threshold)[index]
        x1, y1, x2, y2 = detection.box
        size = f"{x2 - x1:.0f} x {y2 - y1:.0f} pixels at ({x1:.0f}, {y1:.0f})"
        return f"Detection {index}: {detection.name}, score {detection.score:.3f}, {size}"

    def json(self, threshold: float | int) -> str:
        return json.dumps(self.above(threshold).to_dict(), indent=1, allow_nan=False) + "\n"
