"""Images of a training step, padded together, with their targets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from condetr.core.records import Target
from condetr.core.shapes import PixelMask, Pixels
from condetr.images.preprocessing import Preprocessing
from condetr.images.resize import Planes


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Inputs and targets of a training step.

    Attributes:
        pixels: normalized; zero on padding.
        mask: True on real pixels; None if nothing is padded.
        targets: one per image.
        names: of the image files.
        unreadable: errors of images that are missing here because they cannot be read.
        is_filler: whether it is a gray image without objects, for a process that must compute beside others.
        slivers: objects that were dropped because a crop kept too little of them.
    """

    pixels: Pixels
    mask: PixelMask | None
    targets: tuple[Target, ...]
    names: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    is_filler: bool = False
    slivers: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> "TrainingBatch":
        """Images and masks on the device; targets are moved when they are matched."""
        if device.type == "cpu":
            return self
        mask = None if self.mask is None else self.mask.to(device, non_blocking=True)
        return replace(self, pixels=self.pixels.to(device, non_blocking=True), mask=mask)

    def pin_memory(self) -> "TrainingBatch":
        """In pinned memory, for an asynchronous copy to the device; torch's DataLoader calls it by this name."""
        return replace(
            self, pixels=self.pixels.pin_memory(), mask=None if self.mask is None else self.mask.pin_memory()
        )


def collate(
    images: Sequence[tuple[Planes, Target]],
    names: Sequence[str],
    preprocessing: Preprocessing,
    *,
    unreadable: Sequence[str] = (),
    slivers: int = 0,
) -> TrainingBatch:
    """Normalize and pad images of the right size; without images, a filler."""
    if not images:
        empty = torch.zeros(1, 3, 64, 64)
        no_objects = Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))
        return TrainingBatch(empty, None, (no_objects,), ("nothing",), tuple(unreadable), is_filler=True)
    planes, targets = zip(*images, strict=True)
    batch = replace(preprocessing, do_resize=False, do_pad=True).prepare(planes)
    mask = None if batch.mask.all() else batch.mask
    height, width = batch.pixels.shape[-2:]
    framed = tuple(_framed(target, height, width) for target in targets)
    return TrainingBatch(batch.pixels, mask, framed, tuple(names), tuple(unreadable), slivers=slivers)


def _framed(target: Target, height: int, width: int) -> Target:
    """Masks at the size of the padded batch."""
    if target.masks is None:
        return target
    return replace(target, masks=_padded(target.masks, height, width))


def _padded(masks: Tensor, height: int, width: int) -> Tensor:
    return pad(masks, (0, width - masks.shape[-1], 0, height - masks.shape[-2]))
