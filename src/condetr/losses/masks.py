"""How far the mask of a query is from the pixels of its object: focal loss of each, and the dice of them all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import interpolate, pad, softplus
from torch.utils.checkpoint import checkpoint

from condetr.core.errors import AnnotationError
from condetr.core.records import Target
from condetr.core.shapes import PixelMask
from condetr.matching.assignment import Assignment

ALPHA = 0.25  # of the focal loss; the authors' masks keep it whatever their classes use
PIXELS_AT_ONCE = 1 << 22  # predictions are enlarged to the size of the image in blocks

Matches = Int64[Tensor, "matches"]
MaskMaps = Float[Tensor, "matches rows columns"]


@dataclass(frozen=True, slots=True)
class MaskSupervision:
    """What the set loss must know to supervise masks.

    Attributes:
        predict: masks of chosen queries of the last decoder layer; it is given their images, in rising order, and
            their numbers.
        frame: height and width of the network's input, which the predictions cover.
        real: True on real pixels; padding then counts nowhere. None: all pixels count alike.
    """

    predict: Callable[[Matches, Matches], MaskMaps]
    frame: tuple[int, int]
    real: PixelMask | None = None


class MaskLosses(NamedTuple):
    """Summed over the matches."""

    focal: Float[Tensor, ""]
    dice: Float[Tensor, ""]


def mask_losses(supervision: MaskSupervision, assignment: Assignment, targets: Sequence[Target]) -> MaskLosses:
    """Only matched queries are predicted and enlarged, and of these only one block at a time is held.

    Raises:
        AnnotationError: an object has no mask, or one that does not fit the input.
    """
    _refuse_malformed(targets, supervision.frame)
    images, queries, objects = assignment.images, assignment.queries[-1], assignment.objects[-1]
    logits = supervision.predict(images, queries)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    height, width = supervision.frame
    step = max(1, PIXELS_AT_ONCE // (height * width))
    focal = dice = logits.sum() * 0  # the mask head takes part in every step, also in one without objects
    for some, of, which in zip(logits.split(step), images.split(step), objects.split(step), strict=True):
        if not len(some):
            continue
        masks = _masks_of(targets, of, which, supervision.frame).to(logits.device)
        real = None if supervision.real is None else supervision.real[of]
        # Enlarged maps are not kept for the gradients, but made again.
        losses = checkpoint(_of_block, some, masks, real, use_reentrant=False, preserve_rng_state=False)
        focal, dice = focal + losses.focal, dice + losses.dice
    return MaskLosses(focal, dice)


def _of_block(
    logits: MaskMaps,
    masks: Bool[Tensor, "matches height width"],
    real: Bool[Tensor, "matches height width"] | None,
) -> MaskLosses:
    enlarged = interpolate(logits[:, None], size=masks.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    # A pixel that should be in errs as its negation would that should be out: one formula for both.
    errors = torch.where(masks, -enlarged, enlarged)
    alphas = torch.where(masks, ALPHA, 1 - ALPHA)
    focal = alphas * errors.sigmoid().square() * softplus(errors)
    inside = enlarged.sigmoid()
    if real is not None:
        focal, inside, masks = focal * real, inside * real, masks & real
        focal = focal.sum((1, 2)) / real.sum((1, 2)).clamp(min=1)
    else:
        focal = focal.mean((1, 2))
    both, either = (inside * masks).sum((1, 2)), inside.sum((1, 2)) + masks.sum((1, 2))
    dice = 1 - (2 * both + 1) / (either + 1)
    return MaskLosses(focal.sum(), dice.sum())


def _masks_of(
    targets: Sequence[Target], images: Matches, objects: Matches, frame: tuple[int, int]
) -> Bool[Tensor, "matches height width"]:
    """Where the image is smaller than the input, the rest is padding, which no object covers."""
    masks = []
    for image, which in zip(images.tolist(), objects.tolist(), strict=True):
        of_image = targets[image].masks
        assert of_image is not None
        height, width = of_image.shape[1:]
        masks.append(pad(of_image[which].bool(), (0, frame[1] - width, 0, frame[0] - height)))
    return torch.stack(masks)


def _refuse_malformed(targets: Sequence[Target], frame: tuple[int, int]) -> None:
    for image, target in enumerate(targets):
        if not len(target):
            continue
        if target.masks is None:
            raise AnnotationError(
                f"{len(target)} objects without masks, which a segmenter learns from",
                item=f"image {image}",
                hint="train a detector, or give every object a mask",
            )
        shape = tuple(target.masks.shape)
        if len(shape) != 3 or shape[0] != len(target) or shape[1] > frame[0] or shape[2] > frame[1]:
            raise AnnotationError(
                f"masks of shape {shape}, expected {len(target)} of at most {frame[0]} x {frame[1]} pixels",
                item=f"image {image}",
                hint="masks are in pixels of the network's input",
            )
