"""``condetr.load``: a model from anywhere, ready for use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from condetr.api.detector import Detector
from condetr.api.exported_model import ExportedModel
from condetr.api.option_names import reject_foreign_option_names
from condetr.bundled import DIGITS
from condetr.checkpoints.loading import load as load_checkpoint
from condetr.core.errors import UsageError
from condetr.core.names import Backend, Precision
from condetr.export.stored import exported_folder
from condetr.speed.accelerate import AccelerationOptions


@reject_foreign_option_names
def load(
    reference: str | Path | None = None,
    *,
    classes: Sequence[str] | None = None,
    num_queries: int | None = None,
    device: str | torch.device = "auto",
    image_size: Any = None,
    backend: Backend | None = None,
    precision: Precision = "fp32",
    compile: bool = False,  # noqa: A002  torch's word
    ignore_mismatched_sizes: bool = False,
    fresh_mask_head: bool = False,
    detector_only: bool = False,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> Detector | ExportedModel:
    """Load a detector.

    Args:
        reference: a hub id, a model folder, a run folder, an exported folder, or a weights file such as the authors'
            ``.pth``; by default the bundled detector of handwritten digits, which then rejects images that do not
            look like those of ``condetr data demo``.
        classes: names for a new class head; rows of the model's own names are copied, the others need training.
        num_queries: more or fewer object queries than the model has: its own are repeated with noise, or the first are
            kept; both need training.
        device: "cpu", "cuda", ...; "auto" is the fastest available.
        image_size: resize images to this instead of the model's own size, in any form of ``size``: a shortest edge,
            a pair (height, width), {"shortest_edge": 480, "longest_edge": 640}.
        backend: the runtime; by default PyTorch, or that of an exported folder.
        precision: of predictions; "bf16" and "fp16" are rejected on devices where they are slower.
        compile: use torch.compile, which costs time for the first batch of each size.
        ignore_mismatched_sizes: initialize tensors anew whose shape differs from that of the config.
        fresh_mask_head: add an untrained mask head to a model that was stored without one.
        detector_only: leave out the mask head of a segmenter.
        revision: branch, tag or commit on the hub.
        cache_dir: folder of downloads.
        token: for private models of the hub.
        local_files_only: never use the network.

    Returns:
        A `Detector`; of an exported folder an `ExportedModel`, which predicts and evaluates only.

    Raises:
        CheckpointError: anything about it is missing, broken, unsafe or does not fit.
        UsageError: an option does not fit what is loaded.
        MissingExtraError: the runtime of an exported folder is not installed.
    """
    only_handwriting = reference is None
    reference = DIGITS if reference is None else reference
    folder = exported_folder(reference)
    if folder is not None:
        if classes is not None:
            raise UsageError("an exported graph keeps its head", item="classes", hint="export a model with them")
        if num_queries is not None:
            raise UsageError("an exported graph keeps its queries", item="num_queries", hint="export a model with them")
        if precision != "fp32":
            reason, hint = "cannot change for an exported graph", "condetr export has a --precision"
            raise UsageError(reason, item="precision", hint=hint)
        if compile:
            raise UsageError("is for PyTorch models, not for exported graphs", item="compile")
        return ExportedModel(folder, device=device, image_size=image_size, backend=backend)
    if backend not in (None, "torch"):
        hint = f"condetr export --model {reference} --format {backend} writes a folder that is one"
        raise UsageError(f"is no graph for {backend}", source=reference, item="backend", hint=hint)
    checkpoint = load_checkpoint(
        reference,
        classes=classes,
        num_queries=num_queries,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
        fresh_mask_head=fresh_mask_head,
        detector_only=detector_only,
        revision=revision,
        cache_dir=cache_dir,
        token=token,
        local_files_only=local_files_only,
    )
    model = Detector(
        checkpoint, device=device, image_size=image_size, acceleration=AccelerationOptions(precision, compile)
    )
    model.only_handwriting = only_handwriting
    return model
