"""Load a network by its reference, with everything stored beside it and notes on every conversion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from condetr.checkpoints.class_head import with_classes
from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.config.class_names import STUFF, read_stuff
from condetr.checkpoints.config.config_json import SplitConfig, split_config
from condetr.checkpoints.config.inference import infer_config
from condetr.checkpoints.empty_network import assembled, shapes_of, skeleton_of
from condetr.checkpoints.files import read_weights
from condetr.checkpoints.hub import Location, find
from condetr.checkpoints.keys import KeyFormat
from condetr.checkpoints.object_queries import with_queries
from condetr.checkpoints.translate import Accept, to_condetr
from condetr.core.errors import CheckpointError, SettingsError, UsageError
from condetr.files.json_reading import read_json_object
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model came from.

    Attributes:
        path: the folder or file.
        revision: the commit, when it came from the hub.
        key_format: of its weights.
        notes: everything that was converted, ignored or freshly initialized.
    """

    path: Path
    revision: str | None
    key_format: KeyFormat
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A detector, ready to predict, and what was stored with it.

    Attributes:
        detector: in evaluation mode; a `ConditionalDetrSegmenter` if it has a mask head, stored or new.
        labels: name of every class id.
        source_ids: the id of every class in the dataset it was trained on, where known.
        flat: fields of config.json that do not describe the network: costs, coefficients, anything unknown.
        preprocessing: preprocessor_config.json, if there is one.
        provenance: where it came from.
        is_trained: whether nothing in it is freshly initialized.
        has_new_mask_head: whether its mask head is.
    """

    detector: ConditionalDetr
    labels: dict[int, str]
    source_ids: tuple[int, ...] | None
    flat: dict[str, Any]
    preprocessing: dict[str, Any] | None
    provenance: Provenance
    is_trained: bool = True
    has_new_mask_head: bool = False

    @property
    def config(self) -> DetectorConfig:
        return self.detector.config

    @property
    def stuff(self) -> tuple[int, ...]:
        """Ids of stuff classes, such as sky: an image has at most one segment of each."""
        return read_stuff(self.flat, self.labels)


def load(
    reference: str | Path,
    *,
    classes: Sequence[str] | None = None,
    num_queries: int | None = None,
    ignore_mismatched_sizes: bool = False,
    fresh_head: bool = False,
    fresh_mask_head: bool = False,
    detector_only: bool = False,
    overrides: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
    **where: Any,
) -> Checkpoint:
    """Load a detector, or a segmenter if that is what is stored, from a folder, a run folder, a file or a hub id.

    Args:
        reference: what to load.
        classes: names for a new class head; rows of classes that the model has are copied.
        num_queries: as many object queries instead of the model's, see `with_queries`.
        ignore_mismatched_sizes: initialize tensors freshly that have another shape than the settings require.
        fresh_head: accept a model that was stored without a head, and give it a new one.
        fresh_mask_head: make a segmenter; a model stored without a mask head gets a new one.
        detector_only: leave out the mask head of a segmenter.
        overrides: fields that replace those of config.json.
        dtype: of the loaded weights.
        where: ``revision``, ``cache_dir``, ``token``, ``force_download``, ``local_files_only`` of the hub.

    Raises:
        CheckpointError: anything about it is missing, broken, unsafe or does not fit.
    """
    location = find(reference, **where)
    split, state = _settings_and_weights(location, overrides)
    kind = _kind(split, state, fresh=fresh_mask_head, detector_only=detector_only)
    if kind is ConditionalDetr:  # without masks
        split = replace(split, config=replace(split.config, masks_in_boxes=False))
    skeleton = _skeleton(split.config, kind, location)
    accept = Accept.NO_HEAD if fresh_head or classes is not None else Accept.NOTHING
    accept |= Accept.NO_MASK_HEAD if fresh_mask_head else Accept.NOTHING
    accept |= Accept.EXTRA_MASK_HEAD if detector_only else Accept.NOTHING
    translation = to_condetr(
        state,
        shapes_of(skeleton),
        split.config.backbone,
        accept=accept,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
    )
    notes = [*split.notes, *translation.notes]
    labels, source_ids, tensors = split.labels, split.source_ids, translation.tensors
    flat, config = split.flat, split.config
    if classes is not None:
        config, tensors = with_classes(config, tensors, labels, classes, notes)
        labels, source_ids = dict(enumerate(classes)), None
        flat = {name: value for name, value in flat.items() if name != STUFF}
    if num_queries is not None:
        config, tensors = with_queries(config, tensors, num_queries, notes)
    if config != split.config:
        skeleton = _skeleton(config, kind, location)
    detector = assembled(skeleton, tensors, dtype)
    return Checkpoint(
        detector,
        labels,
        source_ids,
        flat,
        _preprocessing(location, notes),
        Provenance(location.path, location.revision, translation.key_format, tuple(notes)),
        is_trained=not translation.fresh and set(classes or ()) <= set(split.labels.values()),
        has_new_mask_head=any(name.startswith("mask_head.") for name in translation.fresh),
    )


def _settings_and_weights(location: Location, overrides: Mapping[str, Any] | None) -> tuple[SplitConfig, StoredState]:
    file = _folder(location) / "config.json"
    if file.is_file():
        split = split_config(read_json_object(file), file, overrides)
        return split, read_weights(location.path)
    state = read_weights(location.path)
    raw, notes = infer_config(state)
    split = split_config(raw, state.source, overrides)
    split.notes[:0] = notes
    return split, state


def _kind(split: SplitConfig, state: StoredState, *, fresh: bool, detector_only: bool) -> type[ConditionalDetr]:
    """A segmenter if there is a mask head, stored or new."""
    if fresh and detector_only:
        raise UsageError("excludes fresh_mask_head", item="detector_only", hint="give one of them")
    if fresh or detector_only:
        return ConditionalDetrSegmenter if fresh else ConditionalDetr
    if split.segments and not state.has_mask_head:
        raise CheckpointError(
            "holds no mask head, but its config.json describes a segmenter",
            source=state.source,
            hint="fresh_mask_head=True adds a new one, detector_only=True loads only the detector",
        )
    return ConditionalDetrSegmenter if state.has_mask_head else ConditionalDetr


def _skeleton(config: DetectorConfig, kind: type[ConditionalDetr], location: Location) -> ConditionalDetr:
    try:
        return skeleton_of(config, kind)
    except SettingsError as error:  # of what timm can build, or of the widths that a mask head needs
        raise error.at(source=location.path, kind=CheckpointError) from error


def _preprocessing(location: Location, notes: list[str]) -> dict[str, Any] | None:
    file = _folder(location) / "preprocessor_config.json"
    if file.is_file():
        return read_json_object(file)
    notes.append("no preprocessor_config.json: images are prepared as in the paper")
    return None


def _folder(location: Location) -> Path:
    return location.path if location.path.is_dir() else location.path.parent
