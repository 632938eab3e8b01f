"""What a model is, as plain values."""

from dataclasses import asdict
from typing import Any

from torch import nn

from condetr.checkpoints.loading import Checkpoint
from condetr.export.stored import StoredExport
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import HeightWidth
from condetr.prediction.flops import flops_of


def description_of(
    checkpoint: Checkpoint | StoredExport, network: nn.Module, preprocessing: Preprocessing, size: HeightWidth
) -> dict[str, Any]:
    """For JSON; operations are counted for a resized image of this ``size``."""
    provenance = checkpoint.provenance
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "flops": flops_of(checkpoint.config, size),
        "flops_image_size": list(size),
        "classes": {str(number): name for number, name in checkpoint.labels.items()},
        "architecture": asdict(checkpoint.config),
        "preprocessing": preprocessing.to_dict(),
        "path": str(provenance.path),
        "revision": provenance.revision,
        "dialect": provenance.key_format,
        "notes": list(provenance.notes),
    }
