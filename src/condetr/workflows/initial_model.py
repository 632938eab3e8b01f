"""What a run starts from: a new network, a model that was trained before, or the run itself when it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from condetr.checkpoints.class_head import with_new_classes
from condetr.checkpoints.loading import Checkpoint, load
from condetr.core.errors import CheckpointError, SettingsError, StorageError
from condetr.core.names import Task
from condetr.images.preprocessing import Preprocessing
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter, with_masks


@dataclass(frozen=True, slots=True)
class InitialModel:
    """A detector with a head for the classes that are to be learned, and masks where they are.

    Attributes:
        preprocessing: of images when predicting.
        flat: what else the config.json of the model says.
        notes: what was done to get it.
        origin: where it comes from, as the run's config.yaml says it.
    """

    detector: ConditionalDetr
    preprocessing: Preprocessing
    flat: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_config(cls, config: DetectorConfig, *, task: Task, origin: Mapping[str, Any]) -> "InitialModel":
        """A network with the authors' initial weights."""
        network = ConditionalDetr if task == "detect" else ConditionalDetrSegmenter
        return cls(network(config), Preprocessing(), origin=origin)

    @classmethod
    def stored(
        cls, reference: str, *, classes: Sequence[str], task: Task, revision: str | None = None
    ) -> "InitialModel":
        """A model that was trained before, perhaps for another task; of one from the hub the commit is told."""
        masks = task != "detect"
        checkpoint = load(reference, classes=classes, revision=revision, detector_only=not masks, fresh_mask_head=masks)
        source = checkpoint.provenance.path / "preprocessor_config.json"
        preprocessing = Preprocessing.from_dict(checkpoint.preprocessing or {}, source=source)
        origin, notes = {"model": reference}, checkpoint.provenance.notes
        if (commit := checkpoint.provenance.revision) is not None:
            origin["revision"], notes = commit, (f"{reference} is at commit {commit}", *notes)
        return cls(checkpoint.detector, preprocessing, checkpoint.flat, notes, origin)

    @classmethod
    def loaded(
        cls, checkpoint: Checkpoint, preprocessing: Preprocessing, *, classes: Sequence[str], task: Task
    ) -> "InitialModel":
        """A copy of a model that somebody holds, who keeps it as it is."""
        origin = {"model": str(checkpoint.provenance.path)}
        detector, notes = with_new_classes(checkpoint.detector, checkpoint.labels, classes)
        if task == "detect" and isinstance(detector, ConditionalDetrSegmenter):
            detector, notes = detector.without_masks(), (*notes, "left out the mask head")
        if task != "detect" and not isinstance(detector, ConditionalDetrSegmenter):
            detector, notes = with_masks(detector), (*notes, "new mask head, freshly initialized")
        return cls(detector, preprocessing, checkpoint.flat, notes, origin)

    @classmethod
    def from_run(cls, last: Path, *, classes: Sequence[str], task: Task) -> "InitialModel | None":
        """The model that a run left last, so that it goes on without what it began with; None where there is none."""
        if not (last / "config.json").is_file():
            return None
        try:
            found = cls.stored(str(last), classes=classes, task=task)
        except (CheckpointError, SettingsError, StorageError):  # its weights are not needed: the checkpoints have them
            return None
        return cls(found.detector, found.preprocessing, found.flat)
