"""The data of an explanation: arrays and geometry of one detection."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32
from PIL import Image

from condetr.images.detection import Detection
from condetr.images.sizes import HeightWidth

Point: TypeAlias = tuple[float, float]  # (x, y)
LayerMaps: TypeAlias = Float32[np.ndarray, "layers heads rows columns"]  # each map sums to one
HeadMaps: TypeAlias = Float32[np.ndarray, "heads rows columns"]
Map: TypeAlias = Float32[np.ndarray, "rows columns"]
Box: TypeAlias = tuple[float, float, float, float]  # (x1, y1, x2, y2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """How one detection came about. Coordinates are pixels of the original, upright image.

    Attributes:
        detection: its box, score, label and name.
        number: its index among the detections of the image, from 0.
        query: index of its object query.
        reference_point: (x, y) of the query, the same in every layer.
        content: cross-attention of the content part alone, by decoder layer and head.
        spatial: cross-attention of the spatial part alone.
        combined: cross-attention of both: the weights that the network uses.
        boxes: (x1, y1, x2, y2) predicted by each decoder layer.
        scores: of the detection's class, from each decoder layer.
        pixel: (x, y) whose cell's encoder attention is shown.
        encoder: attention of that cell, by encoder layer and head.
        cell: (height, width) of the part of the image that one cell of a map covers; the last row and column may reach
            over the edge.
        size: (height, width) of the image.
        source: its file, or a name for it.
        image: the background of figures.
    """

    detection: Detection
    number: int
    query: int
    reference_point: Point
    content: LayerMaps = field(repr=False)
    spatial: LayerMaps = field(repr=False)
    combined: LayerMaps = field(repr=False)
    boxes: Float32[np.ndarray, "layers 4"] = field(repr=False)
    scores: Float32[np.ndarray, "layers"] = field(repr=False)
    pixel: Point
    encoder: Float32[np.ndarray, "encoder_layers encoder_heads rows columns"] = field(repr=False)
    cell: tuple[float, float]
    size: HeightWidth
    source: str | None
    image: Image.Image = field(repr=False)
