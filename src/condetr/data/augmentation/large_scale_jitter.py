"""Large-scale jitter: Ghiasi et al., Simple Copy-Paste is a Strong Data Augmentation Method, CVPR 2021."""

import torch
from torch import nn
from torchvision.transforms import v2
from torchvision.tv_tensors import Image

from condetr.data.augmentation.cropping import cropped, random_window
from condetr.data.augmentation.resizing import resized, scaled_side
from condetr.data.augmentation.sample import Sample
from condetr.images.sizes import Size

GRAY = (124, 116, 104)  # the mean color of ImageNet, which normalizes to zero


class LargeScaleJitter(nn.Module):
    """Resize to a random multiple of the size in prediction, then crop or pad with gray to that size.

    The paper's target is a square of 1024 pixels; here it is the image's own size in prediction. Crops and images lie
    anywhere in their frame. Objects of which a smaller share than ``min_visibility`` is left are dropped, and counted.
    """

    def __init__(self, size: Size | None, scales: tuple[float, float], *, min_visibility: float = 0.0) -> None:
        super().__init__()
        self.size, self.scales, self.min_visibility = size, scales, min_visibility

    def forward(self, sample: Sample) -> Sample:
        full = tuple(sample["image"].shape[-2:])
        frame = full if self.size is None else self.size.fit(full, "torchvision")
        low, high = self.scales
        scale = low + (high - low) * float(torch.rand(()))
        height, width = (scaled_side(side, scale) for side in frame)
        changed = {
            name: resized(sample[name], (height, width)) for name in ("image", "boxes", "masks") if name in sample
        }
        if height > frame[0] or width > frame[1]:
            return cropped(sample | changed, random_window(height, width, *frame), self.min_visibility)
        return _padded(sample | changed, frame)


def _padded(sample: Sample, frame: tuple[int, int]) -> Sample:
    height, width = sample["image"].shape[-2:]
    top, left, _, _ = random_window(*frame, height, width)
    padding = [left, top, frame[1] - width - left, frame[0] - height - top]
    changed = {
        name: v2.functional.pad(value, padding, fill=list(GRAY) if isinstance(value, Image) else 0)
        for name, value in sample.items()
        if name in ("image", "boxes", "masks")
    }
    return sample | changed
