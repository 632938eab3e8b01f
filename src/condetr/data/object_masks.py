"""The pixels of labeled objects, however the format stores them: a segmentation each, or one PNG for all."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from condetr.core.errors import AnnotationError
from condetr.data.records import Example, Object
from condetr.images.coco_labels.fields import SegmentationError
from condetr.images.coco_labels.segmentation import mask_of_segmentation
from condetr.images.masks.segment_png import segment_numbers


def object_masks(example: Example, objects: Sequence[Object]) -> Bool[Tensor, "objects height width"]:
    """One mask for each of some objects, or crowds, of an image.

    Raises:
        AnnotationError: a segmentation or the PNG cannot be used; the dataset was read without masks, or has changed.
        ImageError: the PNG cannot be read.
    """
    if not objects:
        return torch.zeros((0, *example.size), dtype=torch.bool)
    if example.segments is None:
        return torch.stack([_mask_of(example, labeled) for labeled in objects])
    numbers = segment_numbers(example.segments)
    if tuple(numbers.shape) != example.size:
        reason = f"is {tuple(numbers.shape)} (height, width), expected the image's {example.size}"
        raise AnnotationError(reason, source=example.segments)
    ids = torch.tensor([labeled.id for labeled in objects], dtype=torch.int64)
    return numbers == ids[:, None, None]


def _mask_of(example: Example, labeled: Object) -> Bool[Tensor, "height width"]:
    try:
        return mask_of_segmentation(labeled.segmentation, example.size)
    except SegmentationError as error:
        hint = "read the dataset with masks" if labeled.segmentation is None else None
        item = f"annotation {labeled.id}"
        raise AnnotationError(str(error), source=example.path, item=item, hint=hint) from error
