"""Segmentations of COCO: the pixels of one, and the box around it."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from condetr.data.reasons import Reason
from condetr.data.report import Fault
from condetr.images.polygons import mask_of_polygons
from condetr.images.rle import mask_of_rle
from condetr.images.sizes import HeightWidth


def mask_of_outline(outline: Any, size: HeightWidth) -> Bool[Tensor, "height width"]:
    """The pixels inside polygons or RLE.

    Raises:
        Fault: it is neither, or contradicts itself or the picture.
    """
    try:
        if isinstance(outline, Mapping):
            return mask_of_rle(outline, size)
        if isinstance(outline, list):
            return mask_of_polygons(outline, size)
    except (ValueError, OverflowError) as error:
        raise Fault(Reason.BAD_SEGMENTATION, f"segmentation is unusable: {error}") from error
    said = f"segmentation is {type(outline).__name__}, expected polygons or RLE"
    raise Fault(Reason.BAD_SEGMENTATION, said)


def box_of_outline(outline: Any, size: HeightWidth) -> list[int | float]:
    """x, y, width, height around it: exact for polygons, whole pixels for RLE.

    Raises:
        Fault: it is unusable or empty.
    """
    mask = mask_of_outline(outline, size)
    if isinstance(outline, Mapping):
        rows, columns = mask.nonzero().unbind(1)
        if not len(rows):
            raise Fault(Reason.BAD_SEGMENTATION, "segmentation covers no pixel, and there is no bbox")
        left, top = columns.min().item(), rows.min().item()
        return [left, top, columns.max().item() + 1 - left, rows.max().item() + 1 - top]
    xs = [x for polygon in outline for x in polygon[::2]]
    ys = [y for polygon in outline for y in polygon[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
