"""Crops of samples, and what becomes of the objects that a crop cuts."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from condetr.data.augmentation.resizing import edge_of, scaled
from condetr.data.augmentation.sample import Sample, without_slivers
from condetr.images.sizes import Size


class Window(NamedTuple):
    """The part of an image that a crop keeps, in pixels."""

    top: int
    left: int
    height: int
    width: int


class RandomCrop(nn.Module):
    """Crop to a window whose sides are chosen independently, the image's own at most.

    Of ``tries`` random windows the one that cuts the fewest objects is taken, and one without any object last of all;
    1 is DETR's crop. Objects of which a smaller share than ``min_visibility`` is left are dropped, and counted.
    """

    def __init__(self, size: Size, sides: tuple[float, float], *, tries: int = 1, min_visibility: float = 0.0) -> None:
        super().__init__()
        self.smallest, self.largest = (edge_of(scaled(size, side)) for side in sides)
        self.tries, self.min_visibility = tries, min_visibility

    def forward(self, sample: Sample) -> Sample:
        windows = [self._random_window(*sample["image"].shape[-2:]) for _ in range(self.tries)]
        return cropped(sample, _least_harmful(windows, sample["boxes"].as_subclass(Tensor)), self.min_visibility)

    def _random_window(self, full_height: int, full_width: int) -> Window:
        height, width = (
            _between(min(self.smallest, side), min(self.largest, side)) for side in (full_height, full_width)
        )
        return random_window(full_height, full_width, height, width)


def random_window(full_height: int, full_width: int, height: int, width: int) -> Window:
    """A window of this size anywhere in an image."""
    return Window(_between(0, full_height - height), _between(0, full_width - width), height, width)


def cropped(sample: Sample, window: Window, min_visibility: float) -> Sample:
    """The sample inside of the window. At a ``min_visibility`` of 0 objects outside of it keep an empty box."""
    changed = {
        name: v2.functional.crop(sample[name], *window) for name in ("image", "boxes", "masks") if name in sample
    }
    parts = sample | changed
    return without_slivers(parts, _visible_shares(sample, parts), min_visibility) if min_visibility else parts


def _visible_shares(before: Sample, after: Sample) -> Tensor:
    """Of each object's mask, or of its box where there are no masks; 0 for empty ones."""
    areas = [_mask_areas(part) if "masks" in before else _box_areas(part["boxes"]) for part in (before, after)]
    return areas[1] / areas[0].clamp(min=torch.finfo(torch.float32).tiny)


def _mask_areas(sample: Sample) -> Tensor:
    return sample["masks"].as_subclass(Tensor).flatten(1).sum(dim=1).float()


def _box_areas(boxes: Tensor) -> Tensor:
    return (boxes.as_subclass(Tensor)[:, 2:] - boxes.as_subclass(Tensor)[:, :2]).prod(dim=1)


def _least_harmful(windows: list[Window], boxes: Tensor) -> Window:
    """The first that cuts the fewest objects, of those that show one."""
    if len(windows) == 1 or not len(boxes):
        return windows[0]

    def harm(window: Window) -> tuple[bool, int]:
        corner = torch.tensor([window.left, window.top], dtype=boxes.dtype)
        lowest, highest = boxes[:, :2] - corner, boxes[:, 2:] - corner
        far = torch.tensor([window.width, window.height], dtype=boxes.dtype)
        is_visible = ((highest > 0) & (lowest < far)).all(dim=1)
        is_whole = ((lowest >= 0) & (highest <= far)).all(dim=1)
        return not bool(is_visible.any()), int((is_visible & ~is_whole).sum())

    return min(windows, key=harm)


def _between(low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, ()))
