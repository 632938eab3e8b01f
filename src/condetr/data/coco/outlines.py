"""Segmentations of COCO: the pixels of one, and the box around it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from condetr.data.checks.data_report import Fault
from condetr.data.checks.problems import Reason
from condetr.images.masks.polygons import check_polygons, mask_of_polygons
from condetr.images.masks.rle import box_of_rle, counts_of_rle, mask_of_rle
from condetr.images.sizes import HeightWidth


def mask_of_outline(outline: Any, size: HeightWidth) -> Bool[Tensor, "height width"]:
    """The pixels inside polygons or RLE.

    Raises:
        Fault: it is neither, or contradicts itself or the image.
    """
    with _faults(outline):
        return mask_of_rle(outline, size) if isinstance(outline, Mapping) else mask_of_polygons(outline, size)


def check_outline(outline: Any, size: HeightWidth) -> None:
    """Find out whether `mask_of_outline` could paint it, without painting, which takes a hundred times as long.

    Raises:
        Fault: as there.
    """
    with _faults(outline):
        if isinstance(outline, Mapping):
            counts_of_rle(outline, size)
        else:
            check_polygons(outline)


def box_of_outline(outline: Any, size: HeightWidth) -> list[int | float]:
    """x, y, width, height around it: exact for polygons, whole pixels for RLE.

    Raises:
        Fault: it is unusable or empty.
    """
    check_outline(outline, size)
    if isinstance(outline, Mapping):
        corners = box_of_rle(outline, size)
        if corners is None:
            raise Fault(Reason.BAD_SEGMENTATION, "segmentation covers no pixel, and there is no bbox")
        left, top, right, bottom = corners
        return [left, top, right - left, bottom - top]
    xs = [x for polygon in outline for x in polygon[::2]]
    ys = [y for polygon in outline for y in polygon[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


@contextmanager
def _faults(outline: Any) -> Iterator[None]:
    if not isinstance(outline, Mapping | list):
        said = f"segmentation is {type(outline).__name__}, expected polygons or RLE"
        raise Fault(Reason.BAD_SEGMENTATION, said)
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise Fault(Reason.BAD_SEGMENTATION, f"segmentation is unusable: {error}") from error
