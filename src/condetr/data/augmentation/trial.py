"""A trial of the user's augmentation on drawn samples, before a training depends on it."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, Mask

from condetr.data.augmentation.own import Augmentation, seeded
from condetr.data.augmentation.sample import Sample
from condetr.images.sizes import HeightWidth

_DRAWS, _NARROWEST = 24, 4
_PIXELS = 24_000_000  # drawn in total, for which large images are drawn less often
_FAINT = 0.3  # of an object's contrast: below it the object is elsewhere
_TOO_MANY = 0.25  # of the boxes
_BACKGROUND, _NOISE, _CONTRAST = 60, 20, 130
# Objects as x1, y1, x2, y2, shares of the image: in its upper left part, so that no flip or turn moves one to another.
_OBJECTS = ((0.05, 0.07, 0.25, 0.28), (0.30, 0.08, 0.42, 0.34), (0.06, 0.36, 0.25, 0.50))


def try_augmentation(augmentation: Augmentation, sizes: Sequence[HeightWidth], *, masks: bool) -> list[str]:
    """Draw samples of these sizes, augment them, and return warnings about what happens to their objects.

    Raises:
        SettingsError: the augmentation fails, or returns something else than a sample.
    """
    left = elsewhere = 0
    area = max(height * width for height, width in sizes)
    for draw in range(max(len(_OBJECTS) + 1, min(_DRAWS, _PIXELS // area))):
        sample = _drawn_sample(sizes[draw % len(sizes)], draw % (len(_OBJECTS) + 1), masks=masks)
        with seeded(draw):
            varied = augmentation(sample)
        left += len(varied["labels"])
        elsewhere += sum(contrast < _FAINT * _CONTRAST for contrast in _contrasts(varied))
    if not left:
        return ["the augmentation drops all objects of the images that it was tried on"]
    if elsewhere > _TOO_MANY * left:
        return [
            f"{elsewhere} of {left} boxes do not lie on their object in the images that the augmentation was tried on:"
            " does it move the boxes with the image?"
        ]
    return []


def sizes_to_try(sizes: Iterable[HeightWidth]) -> list[HeightWidth]:
    """The smallest, the middle and the largest by area."""
    ordered = sorted(set(sizes), key=lambda size: (size[0] * size[1], size))
    return [ordered[0], ordered[len(ordered) // 2], ordered[-1]]


def _drawn_sample(size: HeightWidth, objects: int, *, masks: bool) -> Sample:
    """Bright rectangles on a dark image."""
    height, width = size
    planes = _BACKGROUND + torch.randint(_NOISE, (3, height, width), generator=torch.Generator().manual_seed(objects))
    shares = torch.tensor(_OBJECTS[:objects]).reshape(-1, 4)
    corners = (shares * torch.tensor([width, height, width, height])).round()
    outlines = torch.zeros(objects, height, width, dtype=torch.bool)
    for mask, box in zip(outlines, corners.tolist(), strict=True):
        x1, y1, x2, y2 = map(int, box)
        planes[:, y1:y2, x1:x2] += _CONTRAST
        mask[y1:y2, x1:x2] = True
    sample: Sample = {
        "image": Image(planes.to(torch.uint8)),
        "boxes": BoundingBoxes(corners, format=BoundingBoxFormat.XYXY, canvas_size=size),
        "labels": torch.arange(objects),
    }
    return sample | {"masks": Mask(outlines)} if masks else sample


def _contrasts(sample: Sample) -> list[float]:
    """Of each box that is large enough with all that lies in no box, whichever is the brighter."""
    plane = sample["image"].as_subclass(Tensor).float().mean(dim=0)
    is_outside = torch.ones_like(plane, dtype=torch.bool)
    inside = []
    for box in sample["boxes"].tolist():
        x1, y1, x2, y2 = map(round, box)
        is_outside[y1:y2, x1:x2] = False
        if x2 - x1 >= _NARROWEST and y2 - y1 >= _NARROWEST:
            inside.append(float(plane[y1:y2, x1:x2].mean()))
    outside = float(plane[is_outside].mean()) if is_outside.any() else float(_BACKGROUND)
    return [abs(mean - outside) for mean in inside]
