"""Loading pretrained weights of torchvision or timm into the backbone of a detector."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from condetr.checkpoints.backbone_keys import backbone_keys
from condetr.checkpoints.backbone_source import ImageStatistics, downloaded, statistics_beside, statistics_of
from condetr.checkpoints.efficientnet_keys import has_efficientnet_keys, under_timm_keys
from condetr.checkpoints.files import read_weights
from condetr.checkpoints.tensors import check_tensors, listed
from condetr.core.errors import CheckpointError
from condetr.core.names import IMAGENET
from condetr.model.named_backbone import name_of
from condetr.model.transformer import DetrTransformer


@dataclass(frozen=True, slots=True)
class PretrainedBackbone:
    """What was loaded.

    Attributes:
        statistics: mean and standard deviation of the images that the weights were trained with.
        notes: on their source, and on what of the file is not used.
    """

    statistics: ImageStatistics
    notes: tuple[str, ...]


def load_backbone(body: DetrTransformer, weights: str | Path, name: str | None = None) -> PretrainedBackbone:
    """Replace the weights of the backbone by those of a classifier of the same architecture.

    Args:
        body: changed in place.
        weights: a state dict as torchvision or timm publish it (.pth, .pt, .bin or .safetensors), or the folder of
            one; "imagenet" downloads the weights that timm has for the name, or finds them in the cache.
        name: of the backbone, with the tag of its weights where timm has several; by default that of ``body``.

    Raises:
        CheckpointError: the weights cannot be fetched, are unsafe, or not those of this backbone.
    """
    backbone, description = body.backbone, body.config.backbone
    name = name or name_of(description)
    file = downloaded(name) if str(weights) == IMAGENET else Path(weights).expanduser()
    state = read_weights(file)
    expected = backbone_keys(backbone, description)
    tensors, notes = state.tensors, list(state.notes)
    if has_efficientnet_keys(tensors):
        tensors = under_timm_keys(tensors, (*expected.names, *expected.others))
        notes.append("keys of EfficientNet-PyTorch, read under those of timm")
    unused = [key for key in tensors if expected.is_unused(key)]
    stored = {key: tensor for key, tensor in tensors.items() if key not in unused}
    if faults := _faults_of(stored, expected.names, backbone.state_dict()):
        reason = f"does not hold the weights of the backbone{f' {name}' if name else ''}; {faults}"
        hint = "name the architecture of the file, or leave the weights out"
        raise CheckpointError(reason, source=state.source, hint=hint)
    check_tensors(stored, state.source)
    statistics = statistics_beside(file) or statistics_of(name)
    backbone.load_state_dict({expected.names[key]: tensor for key, tensor in stored.items()})
    notes.insert(0, f"backbone weights: {file}, for images with mean {statistics.mean} and std {statistics.std}")
    if unused:
        notes.append(f"left out of them, behind the last stage: {listed({_part_of(key) for key in unused})}")
    return PretrainedBackbone(statistics, tuple(notes))


def _faults_of(stored: Mapping[str, Tensor], names: Mapping[str, str], ours: Mapping[str, Tensor]) -> str:
    """What keeps the stored tensors from being ours, whose ``names`` are by key; empty if nothing does."""
    shared = [key for key in names if key in stored]
    faults = {
        "missing": [key for key in names if key not in stored],
        "unexpected": [key for key in stored if key not in names],
        "of another shape": [key for key in shared if stored[key].shape != ours[names[key]].shape],
    }
    return "; ".join(f"{fault}: {listed(keys)}" for fault, keys in faults.items() if keys)


def _part_of(key: str) -> str:
    """``blocks.6`` of ``blocks.6.0.bn1.weight``."""
    return ".".join(key.split(".")[:-1][:2])
