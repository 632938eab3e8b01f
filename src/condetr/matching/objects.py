"""The labeled objects of a batch as padded tensors, after checking that they fit the network."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from condetr.core.errors import AnnotationError
from condetr.core.records import Target

# Rounded coordinates leave [0, 1] by less than this; coordinates in pixels by far more.
ROUNDING = 1e-4


class Objects(NamedTuple):
    """One row per image, padded with zeros to the longest; `counts` are the numbers of objects."""

    labels: Int64[Tensor, "batch most_objects"]
    boxes: Float[Tensor, "batch most_objects 4"]
    counts: tuple[int, ...]


def gather_objects(targets: Sequence[Target], classes: int, like: Float[Tensor, "..."]) -> Objects:
    """The targets of a batch on the device, and in the precision, of the predictions.

    Raises:
        AnnotationError: an object is malformed, outside the image, or of a class that the network does not have.
    """
    for image, target in enumerate(targets):
        _reject_malformed(target, image)
    objects = Objects(
        pad_sequence([target.labels for target in targets], batch_first=True).to(like.device),
        pad_sequence([target.boxes for target in targets], batch_first=True).to(like),
        tuple(len(target) for target in targets),
    )
    _reject_unknown_classes(objects, classes)
    _reject_boxes_outside_the_image(objects)
    return objects


def _reject_malformed(target: Target, image: int) -> None:
    if target.labels.dtype != torch.int64 or target.labels.ndim != 1:
        raise AnnotationError(
            f"expected one int64 label per object, got {target.labels.dtype} of shape {tuple(target.labels.shape)}",
            item=f"image {image}",
        )
    if target.boxes.shape != (len(target), 4):
        raise AnnotationError(
            f"expected {len(target)} boxes (cx, cy, w, h), one per label, got shape {tuple(target.boxes.shape)}",
            item=f"image {image}",
        )


def _reject_unknown_classes(objects: Objects, classes: int) -> None:
    unknown = (objects.labels < 0) | (objects.labels >= classes)
    if unknown.any():
        image, number = _first(unknown)
        raise AnnotationError(
            f"label {objects.labels[image, number]} is none of the network's classes 0 to {classes - 1}",
            item=f"image {image}, object {number}",
            hint="labels are contiguous class ids from 0, not the category ids of a dataset",
        )


def _reject_boxes_outside_the_image(objects: Objects) -> None:
    inside = ((objects.boxes >= -ROUNDING) & (objects.boxes <= 1 + ROUNDING)).all(-1)  # NaN is not inside either
    if not inside.all():
        image, number = _first(~inside)
        raise AnnotationError(
            f"box {[round(side, 4) for side in objects.boxes[image, number].tolist()]} is not in [0, 1]",
            item=f"image {image}, object {number}",
            hint="boxes are (cx, cy, w, h) divided by the width and height of the image",
        )


def _first(flags: Bool[Tensor, "batch most_objects"]) -> tuple[int, int]:
    image, number = flags.nonzero()[0].tolist()
    return image, number
