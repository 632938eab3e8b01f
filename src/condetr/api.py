"""``condetr.load``: a model from anywhere, ready to be used."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from condetr.bundled import DIGITS
from condetr.checkpoints.loading import load as load_checkpoint
from condetr.detector import Detector
from condetr.our_words import in_our_words


@in_our_words
def load(
    reference: str | Path = DIGITS,
    *,
    classes: Sequence[str] | None = None,
    device: str | torch.device = "auto",
    image_size: Any = None,
    ignore_mismatched_sizes: bool = False,
    detector_only: bool = False,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> Detector:
    """Load a detector.

    Args:
        reference: a hub id, a model folder, a run folder, or a weights file such as the authors' ``.pth``; unless
            given, the detector of handwritten digits that comes with condetr.
        classes: names for a new class head; rows of names that the model knows are copied, the others need training.
        device: where it runs; "auto" is the fastest there is.
        image_size: what pictures are resized to instead of what the model says, in any form of ``size``: a shortest
            edge, a pair (height, width), {"shortest_edge": 480, "longest_edge": 640}.
        ignore_mismatched_sizes: start tensors afresh that have another shape than the settings ask for.
        detector_only: accept a segmenter, and leave its mask head out.
        revision: branch, tag or commit on the hub.
        cache_dir: where downloads are kept.
        token: for private models of the hub.
        local_files_only: never ask the network.

    Raises:
        CheckpointError: anything about it is missing, broken, unsafe or does not fit.
    """
    checkpoint = load_checkpoint(
        reference,
        classes=classes,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
        detector_only=detector_only,
        revision=revision,
        cache_dir=cache_dir,
        token=token,
        local_files_only=local_files_only,
    )
    return Detector(checkpoint, device=device, image_size=image_size)
