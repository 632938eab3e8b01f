"""Names for the tensors of Conditional DETR, and the axes they are made of.

batch     images          channels  width of the transformer (d_model)
queries   object queries  cells     of the last feature map, row-major (rows * columns)
heads     attention heads classes   foreground categories; focal loss has no "no object" class
objects   ground-truth objects of one image
chosen    queries of one image whose masks are computed
"""

from typing import TypeAlias

from jaxtyping import Bool, Float, Int64
from torch import Tensor

Pixels: TypeAlias = Float[Tensor, "batch colors height width"]  # normalized
PixelMask: TypeAlias = Bool[Tensor, "batch height width"]  # True on real pixels, False on padding
FeatureMap: TypeAlias = Float[Tensor, "batch _ _ _"]  # channels, rows, columns: each stage has its own
GridMask: TypeAlias = Bool[Tensor, "batch rows columns"]  # True on cells that hold real pixels
CellMask: TypeAlias = Bool[Tensor, "batch cells"]  # the same, flattened
Memory: TypeAlias = Float[Tensor, "batch cells channels"]
Queries: TypeAlias = Float[Tensor, "batch queries channels"]
QueryMask: TypeAlias = Bool[Tensor, "batch queries"]  # True on queries that may be attended to
Points: TypeAlias = Float[Tensor, "batch queries 2"]  # (x, y)
Boxes: TypeAlias = Float[Tensor, "batch queries 4"]  # (cx, cy, w, h) in [0, 1]
Logits: TypeAlias = Float[Tensor, "batch queries classes"]
Weights: TypeAlias = Float[Tensor, "batch heads from_tokens to_tokens"]  # attention, rows sum to one
Embeddings: TypeAlias = Float[Tensor, "chosen channels"]  # of chosen queries of one image
MaskLogits: TypeAlias = Float[Tensor, "chosen _ _"]  # rows, columns of the finest feature map; before the sigmoid
ObjectLabels: TypeAlias = Int64[Tensor, "objects"]
ObjectBoxes: TypeAlias = Float[Tensor, "objects 4"]  # (cx, cy, w, h) in [0, 1]
