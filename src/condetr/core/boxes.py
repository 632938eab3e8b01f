"""Box formats and overlaps. Every function names its box format in its name or docstring."""

import torch
from jaxtyping import Float
from torch import Tensor


def cxcywh_to_xyxy(boxes: Float[Tensor, "*axes 4"]) -> Float[Tensor, "*axes 4"]:
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat((center - half, center + half), dim=-1)


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


def iou(boxes: Float[Tensor, "*#axes 4"], others: Float[Tensor, "*#axes 4"]) -> Float[Tensor, "*axes"]:
    """Intersection over union of xyxy boxes, element by element; 0 for two boxes without area."""
    sides = torch.minimum(boxes[..., 2:], others[..., 2:]) - torch.maximum(boxes[..., :2], others[..., :2])
    shared = sides.clamp(min=0).prod(dim=-1)
    return shared / (area_of(boxes) + area_of(others) - shared).clamp(min=torch.finfo(boxes.dtype).tiny)


def generalized_iou(boxes: Float[Tensor, "*#axes 4"], others: Float[Tensor, "*#axes 4"]) -> Float[Tensor, "*axes"]:
    """Generalized intersection over union of xyxy boxes, element by element; broadcast for pairs.

    Rezatofighi et al. 2019: IoU minus the share of the enclosing box that neither covers; in (-1, 1].
    Two boxes without area get a finite value and gradient.
    """
    left, top, right, bottom = boxes.unbind(-1)
    other_left, other_top, other_right, other_bottom = others.unbind(-1)
    width = torch.minimum(right, other_right) - torch.maximum(left, other_left)
    height = torch.minimum(bottom, other_bottom) - torch.maximum(top, other_top)
    # The span of two intervals is the sum of their lengths minus their overlap, or plus the gap between them.
    span = (right - left) + (other_right - other_left) - width
    rise = (bottom - top) + (other_bottom - other_top) - height
    intersection = width.clamp(min=0) * height.clamp(min=0)
    # A smaller area than eps squared is a rounding error.
    smallest = torch.finfo(boxes.dtype).eps ** 2
    union = (area_of(boxes) + area_of(others) - intersection).clamp(min=smallest)
    return intersection / union + union / (span * rise).clamp(min=smallest) - 1
