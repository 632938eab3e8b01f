"""A reference in, a network out, with all that was stored beside it and all that was done on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from condetr.checkpoints.class_head import with_classes
from condetr.checkpoints.cleaning import holds_masks
from condetr.checkpoints.config.class_names import STUFF, read_stuff
from condetr.checkpoints.config.config_json import SplitConfig, split_config
from condetr.checkpoints.config.inference import infer_config
from condetr.checkpoints.empty_network import assembled, shapes_of, skeleton_of
from condetr.checkpoints.files import StoredWeights, read_weights
from condetr.checkpoints.hub import Place, find
from condetr.checkpoints.keys import Dialect
from condetr.checkpoints.translate import to_condetr
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
        dialect: whose names its weights had.
        notes: everything that was converted, ignored or freshly initialized.
    """

    path: Path
    revision: str | None
    dialect: Dialect
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A detector, ready to predict, and what was stored with it.

    Attributes:
        detector: in evaluation mode; a `ConditionalDetrSegmenter` where a mask head was stored or asked for.
        labels: name of every class id.
        source_ids: the id of every class in the data set it was trained on, where known.
        flat: what config.json says beyond the network: costs, coefficients, anything unknown.
        preprocessing: preprocessor_config.json, unless there is none.
        provenance: where it came from.
    """

    detector: ConditionalDetr
    labels: dict[int, str]
    source_ids: tuple[int, ...] | None
    flat: dict[str, Any]
    preprocessing: dict[str, Any] | None
    provenance: Provenance

    @property
    def config(self) -> DetectorConfig:
        return self.detector.config

    @property
    def stuff(self) -> tuple[int, ...]:
        """Class ids of which an image has one segment at most, such as sky."""
        return read_stuff(self.flat, self.labels)


def load(
    reference: str | Path,
    *,
    classes: Sequence[str] | None = None,
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
        classes: names for a new class head; rows of names that the model knows are copied.
        ignore_mismatched_sizes: start tensors afresh that have another shape than the settings ask for.
        fresh_head: accept a model that was stored without a head, and give it a new one.
        fresh_mask_head: make a segmenter also of a model that was stored without a mask head.
        detector_only: of a segmenter, leave the mask head out.
        overrides: settings that replace those of config.json, in its words.
        dtype: what the weights are converted to.
        where: ``revision``, ``cache_dir``, ``token``, ``force_download``, ``local_files_only`` of the hub.

    Raises:
        CheckpointError: anything about it is missing, broken, unsafe or does not fit.
    """
    place = find(reference, **where)
    split, weights = _settings_and_weights(place, overrides)
    kind = _kind(split, weights, fresh=fresh_mask_head, detector_only=detector_only)
    skeleton = _skeleton(split.config, kind, place)
    translation = to_condetr(
        weights.tensors,
        shapes_of(skeleton),
        split.config.backbone,
        weights.file,
        without_head=fresh_head or classes is not None,
        without_mask_head=fresh_mask_head,
        detector_only=detector_only,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
    )
    notes = [*split.notes, *translation.notes]
    labels, source_ids, tensors = split.labels, split.source_ids, translation.tensors
    flat = split.flat
    if classes is not None:
        config, tensors = with_classes(split.config, tensors, labels, classes, notes)
        labels, source_ids, skeleton = dict(enumerate(classes)), None, skeleton_of(config, kind)
        flat = {name: value for name, value in flat.items() if name != STUFF}
    detector = assembled(skeleton, tensors, dtype)
    return Checkpoint(
        detector,
        labels,
        source_ids,
        flat,
        _preprocessing(place, notes),
        Provenance(place.path, place.revision, translation.dialect, tuple(notes)),
    )


def _settings_and_weights(place: Place, overrides: Mapping[str, Any] | None) -> tuple[SplitConfig, StoredWeights]:
    file = _folder(place) / "config.json"
    if file.is_file():
        split = split_config(read_json_object(file), file, overrides)
        return split, read_weights(place.path)
    weights = read_weights(place.path)
    raw, notes = infer_config(weights)
    split = split_config(raw, weights.file, overrides)
    split.notes[:0] = notes
    return split, weights


def _kind(split: SplitConfig, weights: StoredWeights, *, fresh: bool, detector_only: bool) -> type[ConditionalDetr]:
    """A segmenter where there is a mask head, or is to be one."""
    if fresh and detector_only:
        raise UsageError("excludes fresh_mask_head", item="detector_only", hint="ask for one of them")
    if fresh or detector_only:
        return ConditionalDetrSegmenter if fresh else ConditionalDetr
    stored = holds_masks(weights.tensors, weights.file)
    if split.segments and not stored:
        raise CheckpointError(
            "holds no mask head, but config.json says that this is a segmenter",
            source=weights.file,
            hint="fresh_mask_head=True makes a new one, detector_only=True does without",
        )
    return ConditionalDetrSegmenter if stored else ConditionalDetr


def _skeleton(config: DetectorConfig, kind: type[ConditionalDetr], place: Place) -> ConditionalDetr:
    try:
        return skeleton_of(config, kind)
    except SettingsError as error:  # only timm knows what it can build, and only a mask head needs certain widths
        raise error.at(source=place.path, kind=CheckpointError) from error


def _preprocessing(place: Place, notes: list[str]) -> dict[str, Any] | None:
    file = _folder(place) / "preprocessor_config.json"
    if file.is_file():
        return read_json_object(file)
    notes.append("no preprocessor_config.json: images are prepared as in the paper")
    return None


def _folder(place: Place) -> Path:
    return place.path if place.path.is_dir() else place.path.parent
