"""State dicts without what surrounds a detector's own tensors: prefixes, batch counts, other heads, second names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from condetr.checkpoints import keys
from condetr.checkpoints.tensors import fault_of, listed
from condetr.core.errors import CheckpointError
from condetr.model.config import ResNetDescription, TimmDescription


@dataclass(frozen=True, slots=True)
class StoredState:
    """A state dict with the keys of its key format, without prefixes and batch counts.

    Attributes:
        tensors: as stored.
        source: the file, for errors.
        arguments: the ``args`` that the authors' trainer stores beside the weights.
        notes: what was removed.
    """

    tensors: dict[str, Tensor]
    source: object
    arguments: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Tensor], source: object, arguments: dict[str, Any] | None = None) -> "StoredState":
        """Remove what surrounds the detector's own keys, also those of the detector inside a segmenter.

        Raises:
            CheckpointError: two different tensors are stored for one key.
        """
        notes = []
        while stored and (wrapper := _common_wrapper(stored)):
            stored = {key.removeprefix(wrapper): tensor for key, tensor in stored.items()}
            notes.append(f"removed the prefix {wrapper!r} of every key")
        counts = {key for key in stored if key.rpartition(".")[2] == keys.COUNTS}
        if counts:
            notes.append(f"ignored {len(counts)} batch counts of batch norms, which are frozen here")
        tensors = {keys.own_name(key): tensor for key, tensor in stored.items() if key not in counts}
        if masks_in(tensors) or all(key.startswith(keys.SEGMENTER_PREFIXES) for key in tensors):
            tensors = _without_segmenter_prefix(tensors, source)
        return cls(tensors, source, arguments, tuple(notes))

    @property
    def has_mask_head(self) -> bool:
        return bool(masks_in(self.tensors))


def masks_in(stored: Iterable[str]) -> list[str]:
    """The keys of a mask head, in any key format."""
    return [key for key in stored if key.startswith(keys.MASK_PREFIXES)]


def without_masks(stored: dict[str, Tensor], source: object, notes: list[str], *, allowed: bool) -> dict[str, Tensor]:
    masks = masks_in(stored)
    if not masks:
        return stored
    if not allowed:
        raise CheckpointError(
            f"holds a segmenter, expected a detector: {listed(masks)}",
            source=source,
            hint="load its detector with detector_only=True",
        )
    notes.append(f"left out the mask head: {len(masks)} tensors")
    return {key: tensor for key, tensor in stored.items() if key not in masks}


def under_expected_names(stored: dict[str, Tensor], expected: set[str], source: object) -> dict[str, Tensor]:
    """Give the tensors of a headless model, and those with two keys, the one key that is expected."""
    renamed: dict[str, Tensor] = {}
    for key, tensor in stored.items():
        name = keys.BODY + key if key not in expected and keys.BODY + key in expected else key
        for twin, other in keys.TIED_KEYS.items():
            if name in (twin, other) and name not in expected:
                name = other if name == twin else twin
        _insert(renamed, name, tensor, source)
    return renamed


def without_unused_stages(
    stored: dict[str, Tensor],
    backbone: ResNetDescription | TimmDescription,
    expected: Iterable[str],
    notes: list[str],
) -> dict[str, Tensor]:
    """Without backbone stages after the last one that is used: transformers builds and stores these, too.

    Args:
        stored: tensors by key.
        backbone: of the network.
        expected: the keys of the network.
        notes: what was left out is added.
    """
    if isinstance(backbone, TimmDescription):
        stage = re.compile(r"\.(?:model|body)\.blocks\.(\d+)\.")
        count = 1 + max((int(match[1]) for key in expected if (match := stage.search(key))), default=10**6)
    else:
        stage, count = re.compile(r"\.encoder\.stages\.(\d+)\.layers\."), len(backbone.depths)
    unused = {key for key in stored if (match := stage.search(key)) and int(match[1]) >= count}
    if unused:
        notes.append(f"left out {len(unused)} tensors of unused backbone stages")
    return {key: tensor for key, tensor in stored.items() if key not in unused}


def _common_wrapper(stored: Mapping[str, Tensor]) -> str | None:
    return next((wrapper for wrapper in keys.WRAPPERS if all(key.startswith(wrapper) for key in stored)), None)


def _without_segmenter_prefix(stored: dict[str, Tensor], source: object) -> dict[str, Tensor]:
    plain: dict[str, Tensor] = {}
    for key, tensor in stored.items():
        prefix = next((prefix for prefix in keys.SEGMENTER_PREFIXES if key.startswith(prefix)), "")
        _insert(plain, key.removeprefix(prefix), tensor, source)
    return plain


def _insert(tensors: dict[str, Tensor], key: str, tensor: Tensor, source: object) -> None:
    other = tensors.setdefault(key, tensor)
    if other is not tensor and (fault_of(other) or fault_of(tensor) or not torch.equal(other, tensor)):
        raise CheckpointError("two tensors are stored for this one, and they differ", source=source, item=key)
