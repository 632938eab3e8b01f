"""COCO segmentations, polygons or run lengths: their pixels, and the box around them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from condetr.images.coco_labels.fields import SegmentationError
from condetr.images.masks.polygons import check_polygons, mask_of_polygons
from condetr.images.masks.rle import box_of_rle, counts_of_rle, mask_of_rle
from condetr.images.sizes import HeightWidth


def mask_of_segmentation(segmentation: Any, size: HeightWidth) -> Bool[Tensor, "height width"]:
    """The pixels inside of polygons or RLE.

    Raises:
        SegmentationError: it is neither, or contradicts itself or the image.
    """
    with _named(segmentation):
        is_rle = isinstance(segmentation, Mapping)
        return mask_of_rle(segmentation, size) if is_rle else mask_of_polygons(segmentation, size)


def check_segmentation(segmentation: Any, size: HeightWidth) -> None:
    """Check that `mask_of_segmentation` can paint it, without painting, which takes a hundred times as long.

    Raises:
        SegmentationError: as there.
    """
    with _named(segmentation):
        if isinstance(segmentation, Mapping):
            counts_of_rle(segmentation, size)
        else:
            check_polygons(segmentation)


def box_of_segmentation(segmentation: Any, size: HeightWidth) -> list[int | float]:
    """x, y, width, height around it: exact for polygons, whole pixels for RLE.

    Raises:
        SegmentationError: it is unusable or empty.
    """
    check_segmentation(segmentation, size)
    if isinstance(segmentation, Mapping):
        corners = box_of_rle(segmentation, size)
        if corners is None:
            raise SegmentationError("has a segmentation without a pixel, and no bbox")
        left, top, right, bottom = corners
        return [left, top, right - left, bottom - top]
    xs = [x for polygon in segmentation for x in polygon[::2]]
    ys = [y for polygon in segmentation for y in polygon[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


@contextmanager
def _named(segmentation: Any) -> Iterator[None]:
    if not isinstance(segmentation, Mapping | list | tuple):
        kind = type(segmentation).__name__
        raise SegmentationError(f"has a segmentation of type {kind}, expected polygons or RLE")
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise SegmentationError(f"has an unusable segmentation: {error}") from error
