"""The detections of one image with everything that explains them."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from condetr.core.boxes import cxcywh_to_xyxy
from condetr.core.errors import UsageError
from condetr.core.records import Prediction
from condetr.core.shapes import Points
from condetr.explain.attention_weights import attention_parts, weights_of
from condetr.explain.capture import AttentionInputs
from condetr.explain.evidence import Point
from condetr.explain.explanation import Explanation
from condetr.explain.grid_geometry import GridGeometry
from condetr.explain.overview import overview
from condetr.images.detections import Detections
from condetr.images.saving import IMAGE_FORMATS, image_bytes, save_as, text_bytes
from condetr.images.scoring import Scored
from condetr.images.sizes import HeightWidth


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedImage:
    """The detections of an image and what their explanations need; see ``explain_image``."""

    detections: Detections
    image: Image.Image = field(repr=False)
    _scored: Scored = field(repr=False)
    _layers: tuple[Prediction, ...] = field(repr=False)
    _reference_points: Points = field(repr=False)
    _cross: tuple[AttentionInputs, ...] = field(repr=False)
    _encoder: tuple[AttentionInputs, ...] = field(repr=False)
    _grid: GridGeometry = field(repr=False)
    _pixel: Point | None = field(repr=False)

    def __len__(self) -> int:
        return len(self.detections)

    def __iter__(self) -> Iterator[Explanation]:
        """The explanation of every detection, best first."""
        return (self.explain(number) for number in range(len(self)))

    def figure(self) -> Image.Image:
        """All detections in one figure."""
        return overview(self.detections, [self.explain(number) for number in range(len(self))])

    def save(self, path: str | Path) -> Path:
        """Write the figure (.png, .jpg, .webp) or JSON without the maps, by the suffix of ``path``.

        Raises:
            UsageError: an unknown suffix.
            StorageError: it cannot be written.
        """
        path = Path(path)
        painted = {ending: partial(self._painted, ending) for ending in IMAGE_FORMATS}
        return save_as(path, painted | {".json": lambda: text_bytes(json.dumps(self.to_list()) + "\n")})

    def overview_png(self) -> bytes:
        return self._painted(".png")

    def _painted(self, ending: str) -> bytes:
        return image_bytes(self.figure(), ending)

    def to_list(self) -> list[dict[str, Any]]:
        """All explanations as JSON values, without the maps."""
        return [explanation.to_dict(maps=False) for explanation in self]

    @torch.inference_mode()
    def explain(self, number: int) -> Explanation:
        """The explanation of detection ``number``; 0 is the best.

        Raises:
            UsageError: there is no such detection.
        """
        if not 0 <= number < len(self):
            reason = f"is {number}, but the detections above the threshold are 0 to {len(self) - 1}"
            raise UsageError(reason, source=self.detections.source, item="detection")
        detection, query = self.detections[number], int(self._scored.queries[number])
        height, width = size = self.detections.size
        pixel = self._pixel or _middle_of(detection.box, size)
        parts = [attention_parts(inputs, query) for inputs in self._cross]
        cell = self._grid.cell_at(pixel)
        x, y = self._reference_points[0, query].tolist()
        scale = torch.tensor([width, height, width, height])
        boxes = torch.stack([cxcywh_to_xyxy(prediction.boxes[0, query].float().cpu()) for prediction in self._layers])
        logits = torch.stack(
            [prediction.logits[0, query, detection.label].float().cpu() for prediction in self._layers]
        )
        return Explanation(
            detection=detection,
            number=number,
            query=query,
            reference_point=(x * width, y * height),
            content=self._grid.maps_of([part.content for part in parts]),
            spatial=self._grid.maps_of([part.spatial for part in parts]),
            combined=self._grid.maps_of([part.combined for part in parts]),
            boxes=(boxes * scale).numpy(),
            scores=logits.sigmoid().numpy(),
            pixel=pixel,
            encoder=self._grid.maps_of([weights_of(inputs, cell) for inputs in self._encoder]),
            cell=self._grid.size,
            size=size,
            source=self.detections.source,
            image=self.image,
        )


def _middle_of(box: tuple[float, float, float, float], size: HeightWidth) -> Point:
    """The middle of the part of the box that is in the image."""
    height, width = size
    x1, y1, x2, y2 = box
    x, y = (
        (min(max(x1, 0), width) + min(max(x2, 0), width)) / 2,
        (min(max(y1, 0), height) + min(max(y2, 0), height)) / 2,
    )
    return min(x, math.nextafter(width, 0)), min(y, math.nextafter(height, 0))
