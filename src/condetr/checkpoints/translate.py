"""Keys and matrices of any key format to ours, and ours to the hub's; everything dropped is noted."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, auto

import torch
from torch import Tensor

from condetr.checkpoints import keys
from condetr.checkpoints.cleaning import (
    StoredState,
    masks_in,
    under_expected_names,
    without_masks,
    without_unused_stages,
)
from condetr.checkpoints.keys import ForeignKey, KeyFormat, Layout, foreign_keys
from condetr.checkpoints.tensors import check_tensors, listed
from condetr.core.errors import CheckpointError
from condetr.model.config import ResNetDescription, TimmDescription

Shapes = Mapping[str, torch.Size]
Backbone = ResNetDescription | TimmDescription


class Accept(Flag):
    """Files that are accepted although they hold another set of heads than the network."""

    NOTHING = 0
    NO_HEAD = auto()  # the head is then in ``fresh``
    NO_MASK_HEAD = auto()  # the mask head is then in ``fresh``
    EXTRA_MASK_HEAD = auto()  # it is left out


@dataclass(frozen=True, slots=True)
class Translation:
    """A state dict with our names.

    Attributes:
        tensors: as stored: any floating-point dtype.
        fresh: names that the file does not hold, or holds in another shape, and that were allowed to be missing.
        key_format: of the file.
        notes: what was renamed, dropped or left out, as text.
    """

    tensors: dict[str, Tensor]
    fresh: tuple[str, ...]
    key_format: KeyFormat
    notes: tuple[str, ...]


def to_condetr(
    state: StoredState,
    shapes: Shapes,
    backbone: Backbone,
    *,
    accept: Accept = Accept.NOTHING,
    ignore_mismatched_sizes: bool = False,
) -> Translation:
    """Find every tensor of ``shapes`` in ``state``, in whichever key format.

    Args:
        state: what a file holds.
        shapes: our names and their shapes.
        backbone: the network's backbone.
        accept: which heads may be missing from the file or left out.
        ignore_mismatched_sizes: leave out tensors of another shape; they are then in ``fresh``.

    Raises:
        CheckpointError: lists the tensors that are missing, unknown, of a wrong shape, not finite or of a wrong dtype.
    """
    source, notes = state.source, list(state.notes)
    masks = set(masks_in(shapes))
    stored = state.tensors
    if not masks:
        stored = without_masks(stored, source, notes, allowed=Accept.EXTRA_MASK_HEAD in accept)
    key_format, expected = _closest_format(stored, shapes, backbone)
    wanted = {foreign.key for foreign in expected.values()}
    stored = under_expected_names(stored, wanted, source)
    stored = without_unused_stages(stored, backbone, wanted, notes)

    head = {name for name in shapes if name.startswith("head.")}
    absent = {name for name, foreign in expected.items() if foreign.key not in stored}
    headless, maskless = head <= absent, masks <= absent
    if masks and maskless and Accept.NO_MASK_HEAD not in accept:
        raise CheckpointError(
            "holds no mask head, only a detector",
            source=source,
            hint="fresh_mask_head=True adds a new mask head, to be trained",
        )
    if absent - masks == head and Accept.NO_HEAD not in accept:
        raise CheckpointError(
            f"holds no head, only the body: missing {listed(expected[name].key for name in head)}",
            source=source,
            hint="classes=[...] adds a new head, to be trained",
        )
    allowed = (head if headless and Accept.NO_HEAD in accept else set()) | (masks if maskless else set())
    _check_keys(
        missing={expected[name].key for name in absent - allowed},
        unexpected=stored.keys() - wanted,
        key_format=key_format,
        source=source,
    )
    wrong = _mismatched(stored, shapes, expected)
    if wrong and not ignore_mismatched_sizes:
        raise CheckpointError(
            f"shape mismatch: {listed(wrong.values())}",
            source=source,
            hint="settings and weights do not belong together; ignore_mismatched_sizes=True initializes these freshly",
        )
    left_out = {expected[name].key for name in wrong}
    check_tensors({key: tensor for key, tensor in stored.items() if key not in left_out}, source)
    tensors = {
        name: _part(stored[foreign.key], foreign.part)
        for name, foreign in expected.items()
        if name not in absent and name not in wrong
    }
    fresh = tuple(name for name in shapes if name not in tensors)
    if masks and maskless:
        notes.append("new mask head, freshly initialized: train it before use; everything else is the detector's")
    others = [name for name in fresh if not (maskless and name in masks)]
    if others:
        notes.append(f"freshly initialized: {listed(others)}")
    return Translation(tensors, fresh, key_format, tuple(notes))


def to_hub(tensors: Mapping[str, Tensor], backbone: Backbone, layout: Layout) -> dict[str, Tensor]:
    """Our state dict, with or without a mask head, with the keys that transformers 4 and 5 both read."""
    named = foreign_keys(tensors, backbone, "hub", layout)
    hub = {named[name].key: tensor for name, tensor in tensors.items()}
    hub |= {twin: hub[key].clone() for twin, key in keys.TIED_KEYS.items() if key in hub}
    return {keys.in_segmenter(key): tensor for key, tensor in hub.items()} if masks_in(hub) else hub


def _closest_format(
    stored: Mapping[str, Tensor], shapes: Shapes, backbone: Backbone
) -> tuple[KeyFormat, dict[str, ForeignKey]]:
    """The key format that matches most of the stored keys, and the keys of our tensors in it."""

    def matched(expected: Mapping[str, ForeignKey]) -> int:
        known = {foreign.key for foreign in expected.values()}
        return sum(key in known or keys.BODY + key in known for key in stored)

    # Outside the backbone the layouts agree, so the format is found first, without those many names.
    others = [name for name in shapes if not keys.own_name(name).startswith("backbone.")]
    key_format = max(keys.FORMATS, key=lambda each: matched(foreign_keys(others, backbone, each, keys.LAYOUTS[0])))
    layouts = [foreign_keys(shapes, backbone, key_format, layout) for layout in keys.LAYOUTS]
    return key_format, max(layouts, key=matched)


def _check_keys(*, missing: set[str], unexpected: set[str], key_format: KeyFormat, source: object) -> None:
    faults = [f"{word} {listed(each)}" for word, each in (("missing", missing), ("unexpected", unexpected)) if each]
    if faults:
        raise CheckpointError(
            f"keys do not match the settings ({key_format} names): {'; '.join(faults)}",
            source=source,
            hint="weights and settings of one model belong together",
        )


def _mismatched(stored: Mapping[str, Tensor], shapes: Shapes, expected: Mapping[str, ForeignKey]) -> dict[str, str]:
    """Our names of tensors of another shape, with both shapes as text."""
    wrong = {}
    for name, (key, part) in expected.items():
        shape = list(shapes[name])
        if part is not None:
            shape[0] *= 3
        if key in stored and list(stored[key].shape) != shape:
            wrong[name] = f"{key} is {list(stored[key].shape)}, expected {shape}"
    return wrong


def _part(tensor: Tensor, part: int | None) -> Tensor:
    # Cloned, for three parameters that share one storage cannot be saved.
    return tensor.detach() if part is None else tensor.detach().chunk(3)[part].clone()
