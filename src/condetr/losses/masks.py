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
ALPHA_IN_BOXES = 0.5  # about half of the pixels of a box belong to its object: with 0.25, masks become too small
# How far around the box of its object a mask that is cut off there is trained: a tenth of the side, but not less than
# the usual stride of masks, in pixels.
MARGIN, LEAST_MARGIN = 0.1, 4.0
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
        in_boxes: whether only pixels in and around the box of the object count; elsewhere its mask is cut off.
    """

    predict: Callable[[Matches, Matches], MaskMaps]
    frame: tuple[int, int]
    real: PixelMask | None = None
    in_boxes: bool = False


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
    alpha = ALPHA_IN_BOXES if supervision.in_boxes else ALPHA
    step = max(1, PIXELS_AT_ONCE // (height * width))
    focal = dice = logits.sum() * 0  # the mask head has gradients in every step, even without objects
    blocks = zip(logits.split(step), images.split(step), objects.split(step), strict=True)
    for block, block_images, block_objects in blocks:
        if not len(block):
            continue
        masks = _target_masks(targets, block_images, block_objects, supervision.frame).to(logits.device)
        counted = None if supervision.real is None else supervision.real[block_images]
        if supervision.in_boxes:
            near = _near_objects(targets, block_images, block_objects, supervision.frame, logits.device)
            counted = near if counted is None else counted & near
        # Upsampled maps are not kept for the gradients, but computed again.
        losses = checkpoint(_block_losses, block, masks, counted, alpha, use_reentrant=False, preserve_rng_state=False)
        focal, dice = focal + losses.focal, dice + losses.dice
    return MaskLosses(focal, dice)


def _block_losses(
    logits: MaskMaps,
    masks: Bool[Tensor, "matches height width"],
    counted: Bool[Tensor, "matches height width"] | None,
    alpha: float,
) -> MaskLosses:
    upsampled = interpolate(logits[:, None], size=masks.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    # A positive has the loss of a negative with the opposite sign: one formula for both.
    errors = torch.where(masks, -upsampled, upsampled)
    alphas = torch.where(masks, alpha, 1 - alpha)
    focal = alphas * errors.sigmoid().square() * softplus(errors)
    inside = upsampled.sigmoid()
    if counted is not None:
        focal, inside, masks = focal * counted, inside * counted, masks & counted
        focal = focal.sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)
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


def _near_objects(
    targets: Sequence[Target], images: Matches, objects: Matches, frame: tuple[int, int], device: torch.device
) -> Bool[Tensor, "matches height width"]:
    """The pixels in the boxes of objects and around them."""
    pairs = list(zip(images.tolist(), objects.tolist(), strict=True))
    boxes = torch.stack([targets[image].boxes[number] for image, number in pairs]).float()
    sizes = [masks.shape[1:] for image, _ in pairs if (masks := targets[image].masks) is not None]
    height, width = torch.tensor(sizes, dtype=boxes.dtype, device=boxes.device).unbind(1)
    cx, cy, w, h = boxes.unbind(1)
    near_rows = _near((cy * height).to(device), (h * height).to(device), frame[0])
    return near_rows[:, :, None] & _near((cx * width).to(device), (w * width).to(device), frame[1])[:, None]


def _near(
    center: Float[Tensor, "matches"], length: Float[Tensor, "matches"], count: int
) -> Bool[Tensor, "matches count"]:
    distances = (torch.arange(count, device=center.device) + 0.5 - center[:, None]).abs()
    return distances <= (length / 2 + (MARGIN * length).clamp(min=LEAST_MARGIN))[:, None]


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
