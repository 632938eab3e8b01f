"""Turns by right angles, which lose no pixel: for images without an upright, such as microscopy and aerial ones."""

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes, wrap

from condetr.images.sizes import HeightWidth


class RandomQuarterTurns(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Turn by 0, 90, 180 or 270 degrees, each with the same probability."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:  # noqa: ARG002  torchvision's signature
        return {"turns": int(torch.randint(4, ()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, BoundingBoxes):
            return _turned_boxes(inpt, params["turns"])
        return wrap(inpt.as_subclass(Tensor).rot90(params["turns"], (-2, -1)).contiguous(), like=inpt)


def _turned_boxes(boxes: BoundingBoxes, turns: int) -> BoundingBoxes:
    """Counterclockwise, as ``torch.rot90``: what was at the right edge is at the top."""
    corners: Tensor = boxes.as_subclass(Tensor)
    size: HeightWidth = boxes.canvas_size
    for _ in range(turns):
        x1, y1, x2, y2 = corners.unbind(dim=-1)
        corners = torch.stack([y1, size[1] - x2, y2, size[1] - x1], dim=-1)
        size = size[::-1]
    return BoundingBoxes(corners, format=boxes.format, canvas_size=size)
