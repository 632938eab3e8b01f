"""Times of decoding, preprocessing, network and scoring, at several image sizes and batches."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from condetr.data.demo.scenes import scene
from condetr.evaluation.timing.machine import Machine, computing, now, peak_memory, reset_peak_memory
from condetr.images.decoding.decode import decode
from condetr.images.preprocessing import Preprocessing
from condetr.images.scoring import detections_of
from condetr.images.sizes import Exactly, HeightWidth

STEPS = ("decode", "prepare", "forward", "score")
PERCENTILES = (50, 90, 99)
WARM_UP = 2  # untimed rounds before the timed ones, for allocator, kernels and caches
_OWN = (640, 480)  # (width, height) of the image that is used where none is given


@dataclass(frozen=True, slots=True)
class Row:
    """One image size and batch.

    Attributes:
        size: (height, width) of the network's input.
        batch: images per forward pass.
        steps: milliseconds per batch of each step: percentiles over the rounds.
        total: the same for all steps together.
        pictures_per_second: of all steps, one after the other, at the median.
        operations: of the network for this batch; a multiply and its add are two.
        share_of_peak: operations per second of the network, over the machine's peak.
        peak_memory: bytes of the process, or of the GPU; None where unknown.
    """

    size: HeightWidth
    batch: int
    steps: dict[str, dict[str, float]]
    total: dict[str, float]
    pictures_per_second: float
    operations: int
    share_of_peak: float
    peak_memory: int | None

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"size": list(self.size)}


@torch.inference_mode()
def time_stages(
    network: nn.Module,
    preprocessing: Preprocessing,
    files: Sequence[Path],
    *,
    size: HeightWidth,
    batch: int,
    rounds: int,
    operations: int,
    machine: Machine,
    on_round: Callable[[], None] = lambda: None,
) -> Row:
    """Time every step on its own, with images resized to one size.

    Args:
        network: maps ``(pixels, mask)`` to a Prediction; in evaluation mode on the machine's device.
        preprocessing: of the model; its size is replaced.
        files: images, used in turn; without any, a bundled one.
        size: (height, width) that images are resized to.
        batch: images per forward pass.
        rounds: number of timed rounds.
        operations: of the network for one image.
        machine: that runs the network.
        on_round: called after each round.
    """
    sources: list[Path | bytes] = [*files] or [_own_image()]
    preprocessing = replace(preprocessing, do_resize=True, size=Exactly(*size), pad_size=None)
    dtype = next((weight.dtype for weight in network.parameters() if weight.is_floating_point()), torch.float32)
    times, computed = [], []
    reset_peak_memory(machine.device)
    for number in range(WARM_UP + rounds):
        turn = [sources[(number * batch + offset) % len(sources)] for offset in range(batch)]
        stamps = [now(machine.device)]
        images = [decode(source) for source in turn]
        stamps.append(now(machine.device))
        prepared = preprocessing.prepare(images)
        pixels = prepared.pixels.to(machine.device, dtype)
        stamps.append(now(machine.device))
        start = computing(machine.device)
        logits, boxes = network(pixels, None)
        stamps.append(now(machine.device))
        computed.append(computing(machine.device) - start)
        detections_of(logits, boxes, prepared.original_sizes)
        stamps.append(now(machine.device))
        times.append(np.diff(stamps) * 1000)
        on_round()
    accumulated = np.array(times[WARM_UP:])
    steps = {name: _percentiles(column) for name, column in zip(STEPS, accumulated.T, strict=True)}
    total = _percentiles(accumulated.sum(axis=1))
    threads = machine.threads if machine.device.type == "cpu" else 1
    rate = operations * batch / float(np.median(computed[WARM_UP:])) * threads
    return Row(
        size=size,
        batch=batch,
        steps=steps,
        total=total,
        pictures_per_second=round(1000 * batch / total["p50"], 3),
        operations=operations * batch,
        share_of_peak=round(rate / machine.peak, 4),
        peak_memory=peak_memory(machine.device),
    )


def _percentiles(milliseconds: np.ndarray) -> dict[str, float]:
    values = np.percentile(milliseconds, PERCENTILES).round(3).tolist()
    return dict(zip((f"p{level}" for level in PERCENTILES), values, strict=True))


def _own_image() -> bytes:
    """A handwriting scene as a JPEG file."""
    file = io.BytesIO()
    scene(0, split="val").image.resize(_OWN).save(file, "JPEG", quality=92)
    return file.getvalue()
