"""Masks that end where the boxes of their objects end, as in YOLACT (Bolya et al. 2019, section 3.3)."""

import torch
from jaxtyping import Float
from torch import Tensor

STEEPNESS = 16.0  # of the limit, in logits per cell
MARGIN = 0.5  # cells around a box: the smallest one still has the center of a cell inside

Boxes = Float[Tensor, "*objects 4"]
Planes = Float[Tensor, "*objects rows columns"]


def limited_to_boxes(planes: Planes, boxes: Boxes, real: tuple[float, float] | Tensor = (1.0, 1.0)) -> Planes:
    """Mask logits that fall steeply where the box of the object ends, and have the given values inside.

    Args:
        planes: logits, at the stride of the network.
        boxes: (cx, cy, w, h) of each object, relative to the image.
        real: fraction of the rows and columns that shows the image; the rest is padding. A tensor (..., 2) has those of
            each object.
    """
    boxes = boxes.float()  # bf16 cannot hold the center of the 129th cell
    shares = torch.as_tensor(real, dtype=boxes.dtype, device=boxes.device)
    rows, columns = planes.shape[-2:]
    y = _beyond(rows, shares[..., 0] * rows, boxes[..., 1], boxes[..., 3])[..., :, None]
    x = _beyond(columns, shares[..., 1] * columns, boxes[..., 0], boxes[..., 2])[..., None, :]
    limit = STEEPNESS * (MARGIN - torch.maximum(x, y))
    return torch.minimum(planes, limit.to(planes.dtype))


def _beyond(
    count: int | torch.SymInt,
    cells: Float[Tensor, "*_"],
    center: Float[Tensor, "*objects"],
    length: Float[Tensor, "*objects"],
) -> Float[Tensor, "*objects _"]:
    """How many cells each cell's center lies outside of a range of the image; negative inside."""
    centers = torch.arange(count, dtype=center.dtype, device=center.device) + 0.5
    return (centers - (center * cells)[..., None]).abs() - (length * cells / 2)[..., None]
