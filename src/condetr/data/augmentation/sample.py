"""A training image and its objects, in the form that the transforms of torchvision take."""

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torchvision.tv_tensors import wrap

# "image", "boxes", "labels" and perhaps "masks", as torchvision's tv_tensors; "slivers" counts the objects that crops
# cut down so far that they were dropped.
Sample: TypeAlias = dict[str, Any]
PER_OBJECT = ("boxes", "labels", "masks")
_ROUNDING = 1e-4  # of the area of an object that no crop cuts


def selected(sample: Sample, chosen: Tensor) -> Sample:
    """With the objects where ``chosen`` is True."""
    return {name: wrap(value[chosen], like=value) if name in PER_OBJECT else value for name, value in sample.items()}


def without_slivers(sample: Sample, shares: Tensor, min_visibility: float) -> Sample:
    """Drop the objects of which a smaller share than ``min_visibility`` is visible; count those that are visible."""
    is_hidden = shares < min_visibility - _ROUNDING
    slivers = int((is_hidden & (shares > 0)).sum())
    return selected(sample, ~is_hidden) | {"slivers": sample.get("slivers", 0) + slivers}


class RemoveInvisibleObjects(nn.Module):
    """Drop objects whose box is narrower than ``narrowest``, and, if there are masks, those without a pixel."""

    def __init__(self, narrowest: float) -> None:
        super().__init__()
        self.narrowest = narrowest

    def forward(self, sample: Sample) -> Sample:
        boxes = sample["boxes"]
        visible = (boxes[:, 2:] - boxes[:, :2] >= self.narrowest).all(dim=1)
        if "masks" in sample:
            visible &= sample["masks"].flatten(1).any(dim=1)
        return selected(sample, visible.as_subclass(torch.Tensor))
