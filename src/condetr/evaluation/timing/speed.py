"""How long one image takes, step by step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import nn

from condetr.evaluation.timing.machine import now
from condetr.images.decoding.decode import decode
from condetr.images.decoding.sources import Source
from condetr.images.preprocessing import Preprocessing
from condetr.images.scoring import detections_of

_WARM_UP = 2  # untimed images before the timed ones, for allocator, kernels and caches


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Medians in milliseconds, one image at a time and one step after the other.

    Attributes:
        decode: from the file to upright RGB pixels.
        prepare: preprocessing, and the copy to the device.
        forward: the network.
        score: from its output to boxes in pixels.
        pictures: number of timed images.
        device: of the network.
    """

    decode: float
    prepare: float
    forward: float
    score: float
    pictures: int
    device: str

    @property
    def total(self) -> float:
        return round(self.decode + self.prepare + self.forward + self.score, 3)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "total": self.total}


@torch.inference_mode()
def speed_of(
    network: nn.Module, preprocessing: Preprocessing, images: Sequence[Source], *, device: torch.device
) -> Speed:
    """Time the steps on these images, at least one, with a network in evaluation mode on the device."""
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
    rows = []
    for source in [*repeat(images[0], _WARM_UP), *images]:
        stamps = [now(device)]
        image = decode(source)
        stamps.append(now(device))
        batch = preprocessing.prepare([image])
        pixels, mask = batch.pixels.to(device, dtype), None if batch.mask.all() else batch.mask.to(device)
        stamps.append(now(device))
        logits, boxes = network(pixels, mask)
        stamps.append(now(device))
        detections_of(logits, boxes, batch.original_sizes)
        stamps.append(now(device))
        rows.append(np.diff(stamps))
    medians = (np.median(rows[_WARM_UP:], axis=0) * 1000).round(3).tolist()
    steps = dict(zip(("decode", "prepare", "forward", "score"), medians, strict=True))
    return Speed(**steps, pictures=len(images), device=_name_of(device))


def _name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
