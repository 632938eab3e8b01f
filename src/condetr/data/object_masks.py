"""The pixels of labeled objects, wherever the format keeps them: outlines of their own, or one PNG for all."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from condetr.core.errors import AnnotationError
from condetr.data.checks.data_report import Fault
from condetr.data.coco.outlines import mask_of_outline
from condetr.data.records import Example, Object
from condetr.images.masks.segment_png import segment_numbers


def object_masks(example: Example, objects: Sequence[Object]) -> Bool[Tensor, "objects height width"]:
    """One bit map for each of some objects, or crowds, of an image.

    Raises:
        AnnotationError: an outline or the PNG cannot be used; the data set was read without masks, or changed since.
        ImageError: the PNG cannot be read.
    """
    if not objects:
        return torch.zeros((0, *example.size), dtype=torch.bool)
    if example.segments is None:
        return torch.stack([_outlined(example, one) for one in objects])
    numbers = segment_numbers(example.segments)
    if tuple(numbers.shape) != example.size:
        reason = f"is {tuple(numbers.shape)} (height, width), expected the image's {example.size}"
        raise AnnotationError(reason, source=example.segments)
    ids = torch.tensor([one.id for one in objects], dtype=torch.int64)
    return numbers == ids[:, None, None]


def _outlined(example: Example, one: Object) -> Bool[Tensor, "height width"]:
    try:
        return mask_of_outline(one.segmentation, example.size)
    except Fault as fault:
        hint = "read the data set with masks" if one.segmentation is None else None
        raise AnnotationError(fault.said, source=example.path, item=f"annotation {one.id}", hint=hint) from fault
