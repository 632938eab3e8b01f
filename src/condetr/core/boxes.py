"""Box formats and overlaps. Every function says its format in its name or its docstring."""

import torch
from jaxtyping import Float
from torch import Tensor


def cxcywh_to_xyxy(boxes: Float[Tensor, "*axes 4"]) -> Float[Tensor, "*axes 4"]:
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat((centre - half, centre + half), dim=-1)


def xyxy_to_cxcywh(boxes: Float[Tensor, "*axes 4"]) -> Float[Tensor, "*axes 4"]:
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat(((low + high) / 2, high - low), dim=-1)


def area_of(boxes_xyxy: Float[Tensor, "*axes 4"]) -> Float[Tensor, "*axes"]:
    width, height = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).unbind(-1)
    return width * height


def clipped(boxes_xyxy: Float[Tensor, "*axes 4"], size: tuple[int, int]) -> Float[Tensor, "*axes 4"]:
    """Boxes in pixels, cut at the edges of an image of ``size`` (height, width)."""
    height, width = size
    return boxes_xyxy.clamp(min=0).minimum(boxes_xyxy.new_tensor((width, height, width, height)))


def iou(one: Float[Tensor, "*#axes 4"], other: Float[Tensor, "*#axes 4"]) -> Float[Tensor, "*axes"]:
    """Intersection over union of xyxy boxes, element by element; 0 of two boxes without area."""
    sides = torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])
    shared = sides.clamp(min=0).prod(dim=-1)
    return shared / (area_of(one) + area_of(other) - shared).clamp(min=torch.finfo(one.dtype).tiny)


def generalized_iou(one: Float[Tensor, "*#axes 4"], other: Float[Tensor, "*#axes 4"]) -> Float[Tensor, "*axes"]:
    """Generalised intersection over union of xyxy boxes, element by element; broadcast for pairs.

    Rezatofighi et al. 2019: IoU minus the share of the enclosing box that neither covers; in (-1, 1].
    Two boxes without area overlap in nothing and get a finite value and gradient.
    """
    left, top, right, bottom = one.unbind(-1)
    other_left, other_top, other_right, other_bottom = other.unbind(-1)
    width = torch.minimum(right, other_right) - torch.maximum(left, other_left)
    height = torch.minimum(bottom, other_bottom) - torch.maximum(top, other_top)
    # What two intervals span is the sum of their lengths less their overlap, or plus the gap between them.
    span = (right - left) + (other_right - other_left) - width
    rise = (bottom - top) + (other_bottom - other_top) - height
    intersection = width.clamp(min=0) * height.clamp(min=0)
    # An area below that of a square whose sides are rounding errors is rounding itself.
    smallest = torch.finfo(one.dtype).eps ** 2
    union = (area_of(one) + area_of(other) - intersection).clamp(min=smallest)
    return intersection / union + union / (span * rise).clamp(min=smallest) - 1
