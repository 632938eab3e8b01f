"""``condetr.load``: a model from anywhere, ready to be used."""

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
) -> Detector:
    """Load a detector.

    Args:
        reference: a hub id, a model folder, a run folder, an exported folder, or a weights file such as the authors'
            ``.pth``; unless given, the detector of handwritten digits that comes with condetr, which then refuses
            images that do not look like those of ``condetr data demo``.
        classes: names for a new class head; rows of names that the model knows are copied, the others need training.
        device: where it runs; "auto" is the fastest there is.
        image_size: what images are resized to instead of what the model says, in any form of ``size``: a shortest
            edge, a pair (height, width), {"shortest_edge": 480, "longest_edge": 640}.
        backend: what is to compute; unless given, PyTorch, or what runs an exported folder.
        precision: what it computes with where it finds: "bf16" and "fp16" are refused where they are slower.
        compile: wait for torch.compile when a size of batch is first seen, for who looks at many images of one size.
        ignore_mismatched_sizes: start tensors afresh that have another shape than the settings ask for.
        fresh_mask_head: make a segmenter also of a model that was stored without a mask head; it needs training.
        detector_only: of a segmenter, leave the mask head out.
        revision: branch, tag or commit on the hub.
        cache_dir: where downloads are kept.
        token: for private models of the hub.
        local_files_only: never ask the network.

    Raises:
        CheckpointError: anything about it is missing, broken, unsafe or does not fit.
        UsageError: an option does not fit what is loaded.
        MissingExtraError: what runs an exported folder is not installed.
    """
    only_handwriting = reference is None
    reference = DIGITS if reference is None else reference
    folder = exported_folder(reference)
    if folder is not None:
        if classes is not None:
            raise UsageError("an exported graph keeps its head", item="classes", hint="export a model with them")
        for name, given in (("precision", precision != "fp32"), ("compile", compile)):
            if given:
                hint = "condetr export has a --precision" if name == "precision" else None
                raise UsageError("an exported graph is computed as it was exported", item=name, hint=hint)
        return ExportedModel(folder, device=device, image_size=image_size, backend=backend)
    if backend not in (None, "torch"):
        hint = f"condetr export --model {reference} --format {backend} writes a folder that is one"
        raise UsageError(f"is no graph for {backend}", source=reference, item="backend", hint=hint)
    checkpoint = load_checkpoint(
        reference,
        classes=classes,
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
