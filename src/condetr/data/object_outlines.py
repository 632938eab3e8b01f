"""The outline of each object, for formats in which an object has one polygon."""

from collections.abc import Iterator, Sequence

from condetr.data.object_masks import object_masks
from condetr.data.records import Example, Object
from condetr.images.masks.outlines import one_polygon, polygons_of_mask


def object_outlines(example: Example, objects: Sequence[Object]) -> Iterator[list[float] | None]:
    """A polygon x1, y1, x2, y2, ... of each object; None where it has a box only.

    Raises:
        AnnotationError: a mask cannot be read.
    """
    for labeled in objects:
        if isinstance(labeled.segmentation, list):
            yield one_polygon(labeled.segmentation)
        elif labeled.segmentation is None and example.segments is None:
            yield None
        else:
            (mask,) = object_masks(example, [labeled])
            polygons = polygons_of_mask(mask)
            yield one_polygon(polygons) if polygons else None
