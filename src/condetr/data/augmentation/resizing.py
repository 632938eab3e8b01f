"""Resizing of samples to sizes that are shares of the size in prediction."""

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.tv_tensors import Mask

from condetr.images.coco_labels.resizing import resized_bits
from condetr.images.sizes import Edges, Exactly, HeightWidth, Size, Within


class Resize(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """To one of several sizes, with the proportions that the size prescribes; a longest edge bounds all of them."""

    def __init__(self, size: Size, scales: tuple[float, ...]) -> None:
        super().__init__()
        self.sizes = tuple(scaled(size, scale) for scale in scales)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = self.sizes[int(torch.randint(len(self.sizes), ()))]
        height, width = v2.query_size(flat_inputs)
        return {"size": size.fit((height, width), "torchvision")}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return resized(inpt, params["size"])


def resized(inpt: Any, size: HeightWidth) -> Any:
    """An image, its boxes or its masks at another size."""
    if isinstance(inpt, Mask):
        return Mask(resized_bits(inpt.as_subclass(Tensor), size))
    return v2.functional.resize(inpt, list(size), antialias=True)


def scaled(size: Size, share: float) -> Size:
    """A smaller size of the same form; of two edges, the longest stays a bound."""
    match size:
        case Edges(shortest=None, longest=int(longest)):
            return Edges(None, scaled_side(longest, share))
        case Edges(shortest=int(shortest), longest=longest):
            return Edges(scaled_side(shortest, share), longest)
        case Exactly(height, width):
            return Exactly(scaled_side(height, share), scaled_side(width, share))
        case Within(height, width):
            return Within(scaled_side(height, share), scaled_side(width, share))
    return size


def scaled_side(side: int, share: float) -> int:
    return max(1, round(side * share))


def edge_of(size: Size) -> int:
    """The shorter edge that a size asks for."""
    match size:
        case Edges(shortest, longest):
            return shortest or longest or 1
        case Exactly(height, width) | Within(height, width):
            return min(height, width)
