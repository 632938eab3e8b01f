"""Mask losses of matched queries: focal loss of the pixels, and dice."""

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

ALPHA = 0.25  # of the focal loss; fixed in the authors' code, whatever the classes use
PIXELS_AT_ONCE = 1 << 22  # predictions are upsampled to the size of the image in blocks

Matches = Int64[Tensor, "matches"]
MaskMaps = Float[Tensor, "matches rows columns"]


@dataclass(frozen=True, slots=True)
class MaskSupervision:
    """What the set loss needs to supervise masks.

    Attributes:
        predict: from the images, in rising order, and the indices of queries of the last decoder layer to their masks.
        frame: height and width of the network's input, which the predictions cover.
        real: True on real pixels; the losses ignore padding. None: all pixels count.
    """

    predict: Callable[[Matches, Matches], MaskMaps]
    frame: tuple[int, int]
    real: PixelMask | None = None


class MaskLosses(NamedTuple):
    """Summed over the matches."""

    focal: Float[Tensor, ""]
    dice: Float[Tensor, ""]


def mask_losses(supervision: MaskSupervision, assignment: Assignment, targets: Sequence[Target]) -> MaskLosses:
    """Only the masks of matched queries are predicted; they are upsampled one block at a time.

    Raises:
        AnnotationError: an object has no mask, or one that does not fit the input.
    """
    _reject_malformed(targets, supervision.frame)
    images, queries, objects = assignment.images, assignment.queries[-1], assignment.objects[-1]
    logits = supervision.predict(images, queries)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    height, width = supervision.frame
    step = max(1, PIXELS_AT_ONCE // (height * width))
    focal = dice = logits.sum() * 0  # the mask head has gradients in every step, even without objects
    blocks = zip(logits.split(step), images.split(step), objects.split(step), strict=True)
    for block, block_images, block_objects in blocks:
        if not len(block):
            continue
        masks = _target_masks(targets, block_images, block_objects, supervision.frame).to(logits.device)
        real = None if supervision.real is None else supervision.real[block_images]
        # Upsampled maps are not kept for the gradients, but computed again.
        losses = checkpoint(_block_losses, block, masks, real, use_reentrant=False, preserve_rng_state=False)
        focal, dice = focal + losses.focal, dice + losses.dice
    return MaskLosses(focal, dice)


def _block_losses(
    logits: MaskMaps,
    masks: Bool[Tensor, "matches height width"],
    real: Bool[Tensor, "matches height width"] | None,
) -> MaskLosses:
    upsampled = interpolate(logits[:, None], size=masks.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    # A positive has the loss of a negative with the opposite sign: one formula for both.
    errors = torch.where(masks, -upsampled, upsampled)
    alphas = torch.where(masks, ALPHA, 1 - ALPHA)
    focal = alphas * errors.sigmoid().square() * softplus(errors)
    inside = upsampled.sigmoid()
    if real is not None:
        focal, inside, masks = focal * real, inside * real, masks & real
        focal = focal.sum((1, 2)) / real.sum((1, 2)).clamp(min=1)
    else:
        focal = focal.mean((1, 2))
    intersection, total = (inside * masks).sum((1, 2)), inside.sum((1, 2)) + masks.sum((1, 2))
    dice = 1 - (2 * intersection + 1) / (total + 1)
    return MaskLosses(focal.sum(), dice.sum())


def _target_masks(
    targets: Sequence[Target], images: Matches, objects: Matches, frame: tuple[int, int]
) -> Bool[Tensor, "matches height width"]:
    """Padded to the size of the input if the image is smaller; no object covers padding."""
    masks = []
    for image, number in zip(images.tolist(), objects.tolist(), strict=True):
        image_masks = targets[image].masks
        assert image_masks is not None
        height, width = image_masks.shape[1:]
        masks.append(pad(image_masks[number].bool(), (0, frame[1] - width, 0, frame[0] - height)))
    return torch.stack(masks)


def _reject_malformed(targets: Sequence[Target], frame: tuple[int, int]) -> None:
    for image, target in enumerate(targets):
        if not len(target):
            continue
        if target.masks is None:
            raise AnnotationError(
                f"{len(target)} objects without masks, which a segmenter needs",
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
