"""From the names and matrices of any dialect to ours, and from ours to the hub's; nothing is dropped unsaid."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from condetr.checkpoints import keys
from condetr.checkpoints.cleaning import masks_in, under_expected_names, unwrapped, without_masks, without_unused_stages
from condetr.checkpoints.keys import Dialect, ForeignKey, Layout, foreign_keys
from condetr.checkpoints.tensors import check_tensors, listed
from condetr.core.errors import CheckpointError
from condetr.model.config import ResNetDescription, TimmDescription

Shapes = Mapping[str, torch.Size]
Backbone = ResNetDescription | TimmDescription


@dataclass(frozen=True, slots=True)
class Translation:
    """A state dict in our names.

    Attributes:
        tensors: what the file holds, as stored: any floating-point dtype.
        fresh: names that the file does not hold, or holds in another shape, and that were allowed to be missing.
        dialect: the file's.
        notes: what was renamed, dropped or left out, for a person.
    """

    tensors: dict[str, Tensor]
    fresh: tuple[str, ...]
    dialect: Dialect
    notes: tuple[str, ...]


def to_condetr(
    stored: Mapping[str, Tensor],
    shapes: Shapes,
    backbone: Backbone,
    source: object,
    *,
    without_head: bool = False,
    detector_only: bool = False,
    without_mask_head: bool = False,
    ignore_mismatched_sizes: bool = False,
) -> Translation:
    """Find every tensor that ``shapes`` asks for in ``stored``, whichever dialect that speaks.

    Args:
        stored: a state dict with foreign names.
        shapes: our names and their shapes.
        backbone: what the network's backbone is.
        source: the file, for errors.
        without_head: a file that holds no head at all is welcome; the head is then in ``fresh``.
        detector_only: the mask head of a segmenter may be left out, where ``shapes`` ask for none.
        without_mask_head: a file that holds no mask head at all is welcome; the mask head is then in ``fresh``.
        ignore_mismatched_sizes: tensors of another shape are left out; they are then in ``fresh``.

    Raises:
        CheckpointError: names the tensors that are missing, unknown, mis-shaped, not finite or of a wrong kind.
    """
    stored, notes = unwrapped(stored, source)
    masks = set(masks_in(shapes))
    if not masks:
        stored = without_masks(stored, source, notes, allowed=detector_only)
    dialect, expected = _closest_dialect(stored, shapes, backbone)
    stored = under_expected_names(stored, {foreign.key for foreign in expected.values()}, source)
    stored = without_unused_stages(stored, backbone, notes)

    head = {name for name in shapes if name.startswith("head.")}
    absent = {name for name, foreign in expected.items() if foreign.key not in stored}
    headless, maskless = head <= absent, masks <= absent
    if masks and maskless and not without_mask_head:
        raise CheckpointError(
            "holds no mask head, only a detector",
            source=source,
            hint="ask for a new mask head, fresh_mask_head=True, to train it",
        )
    if absent - masks == head and not without_head:
        raise CheckpointError(
            f"holds no head, only the body: missing {listed(expected[name].key for name in head)}",
            source=source,
            hint="ask for a new head, e.g. classes=[...], to train it",
        )
    allowed = (head if headless and without_head else set()) | (masks if maskless else set())
    _check_keys(
        missing={expected[name].key for name in absent - allowed},
        unclaimed=stored.keys() - {foreign.key for foreign in expected.values()},
        dialect=dialect,
        source=source,
    )
    wrong = _mis_shaped(stored, shapes, expected)
    if wrong and not ignore_mismatched_sizes:
        raise CheckpointError(
            f"shape mismatch: {listed(wrong.values())}",
            source=source,
            hint="settings and weights do not belong together; ignore_mismatched_sizes=True starts these afresh",
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
    return Translation(tensors, fresh, dialect, tuple(notes))


def to_hub(tensors: Mapping[str, Tensor], backbone: Backbone, layout: Layout) -> dict[str, Tensor]:
    """Our state dict, with a mask head or without, as transformers 4 and 5 both read it."""
    named = foreign_keys(tensors, backbone, "hub", layout)
    hub = {named[name].key: tensor for name, tensor in tensors.items()}
    hub |= {twin: hub[key].clone() for twin, key in keys.TIED_KEYS.items() if key in hub}
    return {keys.in_segmenter(key): tensor for key, tensor in hub.items()} if masks_in(hub) else hub


def _closest_dialect(
    stored: Mapping[str, Tensor], shapes: Shapes, backbone: Backbone
) -> tuple[Dialect, dict[str, ForeignKey]]:
    """The dialect that knows most of the keys, and what our tensors are called in it."""
    candidates = [
        (dialect, foreign_keys(shapes, backbone, dialect, layout))
        for dialect in keys.DIALECTS
        for layout in keys.LAYOUTS
    ]

    def known(candidate: tuple[Dialect, dict[str, ForeignKey]]) -> int:
        expected = {foreign.key for foreign in candidate[1].values()}
        return sum(key in expected or keys.BODY + key in expected for key in stored)

    return max(candidates, key=known)


def _check_keys(*, missing: set[str], unclaimed: set[str], dialect: Dialect, source: object) -> None:
    said = [f"{word} {listed(found)}" for word, found in (("missing", missing), ("unexpected", unclaimed)) if found]
    if said:
        raise CheckpointError(
            f"keys do not match the settings ({dialect} names): {'; '.join(said)}",
            source=source,
            hint="weights and settings of one model belong together",
        )


def _mis_shaped(stored: Mapping[str, Tensor], shapes: Shapes, expected: Mapping[str, ForeignKey]) -> dict[str, str]:
    """Our names of tensors that do not fit, and what to say about each."""
    wrong = {}
    for name, (key, part) in expected.items():
        wanted = list(shapes[name])
        if part is not None:
            wanted[0] *= 3
        if key in stored and list(stored[key].shape) != wanted:
            wrong[name] = f"{key} is {list(stored[key].shape)}, expected {wanted}"
    return wrong


def _part(tensor: Tensor, part: int | None) -> Tensor:
    # Cloned, for three parameters that share one storage cannot be saved.
    return tensor.detach() if part is None else tensor.detach().chunk(3)[part].clone()
