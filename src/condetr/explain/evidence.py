"""What there is to say about one detection: arrays and geometry, before anything is painted."""

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
    """What one detection is made of. All places are pixels of the original, upright image.

    Attributes:
        detection: its box, score, label and name.
        number: its place among the detections of the image, from 0.
        query: which object query it came from.
        reference_point: (x, y) that the query looks from, in every layer.
        content: where the content half of each cross-attention head would look alone, by decoder layer.
        spatial: the same of the spatial half.
        combined: where each head does look: what the network weighs its values with.
        boxes: (x1, y1, x2, y2) that each decoder layer says.
        scores: of the detection's class, from each decoder layer.
        pixel: (x, y) whose cell the encoder is map_rows about.
        encoder: where that cell looks in each head of each encoder layer.
        cell: (height, width) of the piece of the image that one cell of a map stands for; the last row and column
            may reach over the edge.
        size: (height, width) of the image.
        source: the file it came from, or a name for it.
        image: what figures are painted on.
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
