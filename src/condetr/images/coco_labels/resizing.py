"""Labels of an image that is resized and padded."""

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.functional import interpolate, pad

from condetr.core.boxes import xyxy_to_cxcywh
from condetr.images.coco_labels.detection import Labels, integers
from condetr.images.sizes import HeightWidth


def resize_labels(labels: Labels, old: HeightWidth, new: HeightWidth) -> Labels:
    """Boxes, areas and masks of the image at its new size; keypoints keep their coordinates."""
    down, across = new[0] / old[0], new[1] / old[1]
    changed = {"size": integers(new)}
    if "boxes" in labels:
        changed["boxes"] = labels["boxes"] * torch.tensor([across, down, across, down])
    if "area" in labels:
        changed["area"] = labels["area"] * (down * across)
    if "masks" in labels:
        changed["masks"] = resized_bits(labels["masks"], new)
    return labels | changed


def normalize_labels(labels: Labels, size: HeightWidth) -> Labels:
    """Boxes as (cx, cy, w, h) relative to the image of this size, not to the padded frame."""
    if "boxes" not in labels:
        return labels
    height, width = size
    return labels | {"boxes": xyxy_to_cxcywh(labels["boxes"]) / torch.tensor([width, height, width, height])}


def pad_labels(labels: Labels, frame: HeightWidth) -> Labels:
    """``size`` and masks of the padded frame. Boxes are relative to the image, so they stay."""
    changed = {"size": integers(frame)}
    if "masks" in labels:
        masks = labels["masks"]
        changed["masks"] = pad(masks, (0, frame[1] - masks.shape[2], 0, frame[0] - masks.shape[1]))
    return labels | changed


def resized_bits(
    masks: Bool[Tensor, "objects _height _width"], size: HeightWidth
) -> Bool[Tensor, "objects _new_height _new_width"]:
    """Masks resized by nearest neighbor with exact pixel centers, so that they stay aligned with resized boxes."""
    if not len(masks):
        return masks.new_zeros((0, *size))
    return interpolate(masks[None].to(torch.uint8), size=size, mode="nearest-exact")[0].bool()
