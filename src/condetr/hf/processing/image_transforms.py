"""Small conversions of ``transformers.image_transforms``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condetr.core.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh


def rgb_to_id(color: Any) -> Any:
    """The segment id of a color, or of every pixel of a panoptic PNG (height, width, 3): R + 256 G + 256 256 B."""
    planes = np.asarray(color)
    if planes.ndim == 3:
        return planes.astype(np.int32) @ np.array([1, 256, 65536], dtype=np.int32)
    red, green, blue = map(int, planes)
    return red + 256 * green + 65536 * blue


def id_to_rgb(id_map: Any) -> Any:
    """The color of a segment id as a list, or of an array of ids as uint8 (..., 3); the inverse of `rgb_to_id`."""
    ids = np.asarray(id_map)
    colors = (ids[..., None].astype(np.int64) // [1, 256, 65536] % 256).astype(np.uint8)
    return colors if isinstance(id_map, np.ndarray) else colors.tolist()


def center_to_corners_format(bboxes_center: Any) -> Any:
    """Boxes (cx, cy, w, h) as (x1, y1, x2, y2): a tensor for a tensor, else an array."""
    return _converted(bboxes_center, cxcywh_to_xyxy)


def corners_to_center_format(bboxes_corners: Any) -> Any:
    """The inverse of `center_to_corners_format`."""
    return _converted(bboxes_corners, xyxy_to_cxcywh)


def _converted(boxes: Tensor | np.ndarray | Sequence[Any], convert: Any) -> Any:
    if isinstance(boxes, Tensor):
        return convert(boxes)
    return convert(torch.as_tensor(np.asarray(boxes))).numpy()
