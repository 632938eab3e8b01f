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


def generalized_iou(one: Float[Tensor, "*axes 4"], other: Float[Tensor, "*axes 4"]) -> Float[Tensor, "*axes"]:
    """Generalised intersection over union of xyxy boxes, element by element; broadcast for pairs.

    Rezatofighi et al. 2019: IoU minus the share of the enclosing box that neither covers; in (-1, 1].
    """
    overlap = (torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])).clamp(min=0)
    intersection = overlap[..., 0] * overlap[..., 1]
    union = area_of(one) + area_of(other) - intersection
    enclosing = torch.maximum(one[..., 2:], other[..., 2:]) - torch.minimum(one[..., :2], other[..., :2])
    enclosed = enclosing[..., 0] * enclosing[..., 1]
    return intersection / union - (enclosed - union) / enclosed
