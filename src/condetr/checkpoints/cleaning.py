"""What surrounds a detector's own tensors: prefixes, counts, other heads, second names."""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from condetr.checkpoints import keys
from condetr.checkpoints.tensors import fault_of, listed
from condetr.core.errors import CheckpointError
from condetr.model.config import ResNetDescription, TimmDescription


def unwrapped(stored: Mapping[str, Tensor], source: object) -> tuple[dict[str, Tensor], list[str]]:
    """Take off what surrounds the detector's own names, those of a segmenter's detector too."""
    notes = []
    while stored and (wrapper := next((w for w in keys.WRAPPERS if all(key.startswith(w) for key in stored)), None)):
        stored = {key.removeprefix(wrapper): tensor for key, tensor in stored.items()}
        notes.append(f"took the prefix {wrapper!r} off every key")
    counts = [key for key in stored if key.rpartition(".")[2] == keys.COUNTS]
    if counts:
        notes.append(f"ignored {len(counts)} batch counts of batch norms, which are frozen here")
    stored = {key: tensor for key, tensor in stored.items() if key not in set(counts)}
    inside = bool(masks_in(stored)) or all(key.startswith(keys.SEGMENTER_PREFIXES) for key in stored)
    return _without_prefix(stored, source) if inside else stored, notes


def masks_in(stored: Iterable[str]) -> list[str]:
    """Which of the unwrapped keys are of a mask head."""
    return [key for key in stored if key.startswith(keys.MASK_PREFIXES)]


def holds_masks(stored: Mapping[str, Tensor], source: object) -> bool:
    """Whether a file, as stored, holds a segmenter."""
    return bool(masks_in(unwrapped(stored, source)[0]))


def without_masks(stored: dict[str, Tensor], source: object, notes: list[str], *, allowed: bool) -> dict[str, Tensor]:
    masks = masks_in(stored)
    if not masks:
        return stored
    if not allowed:
        raise CheckpointError(
            f"holds a segmenter, expected a detector: {listed(masks)}",
            source=source,
            hint="ask for its detector with detector_only=True",
        )
    notes.append(f"left out the mask head: {len(masks)} tensors")
    return {key: tensor for key, tensor in stored.items() if key not in masks}


def _without_prefix(stored: dict[str, Tensor], source: object) -> dict[str, Tensor]:
    plain: dict[str, Tensor] = {}
    for key, tensor in stored.items():
        prefix = next((prefix for prefix in keys.SEGMENTER_PREFIXES if key.startswith(prefix)), "")
        _place(plain, key.removeprefix(prefix), tensor, source)
    return plain


def under_expected_names(stored: dict[str, Tensor], expected: set[str], source: object) -> dict[str, Tensor]:
    """Give the tensors of a headless model, and those with two names, the one name they are looked for under."""
    renamed: dict[str, Tensor] = {}
    for key, tensor in stored.items():
        name = keys.BODY + key if key not in expected and keys.BODY + key in expected else key
        for twin, other in keys.TIED_KEYS.items():
            if name in (twin, other) and name not in expected:
                name = other if name == twin else twin
        _place(renamed, name, tensor, source)
    return renamed


def _place(tensors: dict[str, Tensor], name: str, tensor: Tensor, source: object) -> None:
    other = tensors.setdefault(name, tensor)
    if other is not tensor and (fault_of(other) or fault_of(tensor) or not torch.equal(other, tensor)):
        raise CheckpointError("two tensors are stored for this one, and they differ", source=source, item=name)


def without_unused_stages(
    stored: dict[str, Tensor], backbone: ResNetDescription | TimmDescription, notes: list[str]
) -> dict[str, Tensor]:
    """The ResNet of transformers builds and stores all its stages, also those after the last one that it looks at."""
    if isinstance(backbone, TimmDescription):
        return stored
    stage = re.compile(r"\.encoder\.stages\.(\d+)\.layers\.")
    unused = [key for key in stored if (found := stage.search(key)) and int(found[1]) >= len(backbone.depths)]
    if unused:
        notes.append(f"left out {len(unused)} tensors of backbone stages that nothing looks at")
    return {key: tensor for key, tensor in stored.items() if key not in set(unused)}
