"""The model that a run starts from: random weights, a trained model, or the last model of a run that is resumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from condetr.checkpoints.fitted_copy import fitted_copy
from condetr.checkpoints.loading import Checkpoint, load
from condetr.checkpoints.pretrained_backbone import load_backbone
from condetr.core.errors import CheckpointError, SettingsError, StorageError
from condetr.core.names import Task
from condetr.images.preprocessing import Preprocessing
from condetr.model.config import DetectorConfig, ResNetDescription, TimmDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter, with_masks
from condetr.training.exchanged_backbone import with_backbone


@dataclass(frozen=True, slots=True)
class InitialModel:
    """A detector with a head for the classes of the dataset, and a mask head where the task needs one.

    Attributes:
        preprocessing: of images when predicting.
        flat: the other keys of the model's config.json.
        notes: changes that were made to the model.
        origin: its source, for the run's config.yaml.
        is_trained: for the task and all classes of the dataset; nothing is freshly initialized.
        has_new_mask_head: which is freshly initialized.
    """

    detector: ConditionalDetr
    preprocessing: Preprocessing
    flat: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    is_trained: bool = False
    has_new_mask_head: bool = False

    @classmethod
    def from_config(
        cls,
        config: DetectorConfig,
        *,
        task: Task,
        origin: Mapping[str, Any],
        backbone_weights: str | Path | None = None,
        backbone_name: str | None = None,
    ) -> "InitialModel":
        """A network with the authors' initialization, and with pretrained weights in its backbone where given.

        Args:
            config: of the network; `named_backbone` gives the backbone of a name.
            task: a segmenter has a mask head, too.
            origin: for the run's config.yaml.
            backbone_weights: a file of torchvision or timm, or "imagenet", see `load_backbone`; mean and standard
                deviation of their images become those of the preprocessing.
            backbone_name: with the tag of its weights where timm has several; by default that of the architecture.

        Raises:
            CheckpointError: the weights cannot be fetched, are unsafe, or not those of this backbone.
        """
        masks = task != "detect"
        network = (ConditionalDetrSegmenter if masks else ConditionalDetr)(config)
        if backbone_weights is None:
            return cls(network, Preprocessing(), origin=origin, has_new_mask_head=masks)
        preprocessing, notes = _with_pretrained_backbone(network, Preprocessing(), backbone_weights, backbone_name)
        return cls(network, preprocessing, notes=notes, origin=origin, has_new_mask_head=masks)

    @classmethod
    def from_checkpoint(
        cls,
        reference: str,
        *,
        classes: Sequence[str],
        task: Task,
        revision: str | None = None,
        num_queries: int | None = None,
    ) -> "InitialModel":
        """A trained model, perhaps for another task or with more queries; for a hub id, the notes name the commit."""
        masks = task != "detect"
        checkpoint = load(
            reference,
            classes=classes,
            num_queries=num_queries,
            revision=revision,
            detector_only=not masks,
            fresh_mask_head=masks,
        )
        source = checkpoint.provenance.path / "preprocessor_config.json"
        preprocessing = Preprocessing.from_dict(checkpoint.preprocessing or {}, source=source)
        origin: dict[str, Any] = {"model": reference}
        notes = checkpoint.provenance.notes
        if (commit := checkpoint.provenance.revision) is not None:
            origin["revision"], notes = commit, (f"{reference} is at commit {commit}", *notes)
        if num_queries is not None:
            origin["network"] = {"num_queries": num_queries}
        return cls(
            checkpoint.detector,
            preprocessing,
            checkpoint.flat,
            notes,
            origin,
            is_trained=checkpoint.is_trained,
            has_new_mask_head=checkpoint.has_new_mask_head,
        )

    def with_backbone(
        self,
        description: ResNetDescription | TimmDescription,
        origin: Mapping[str, Any],
        *,
        weights: str | Path | None = None,
        name: str | None = None,
    ) -> "InitialModel":
        """Its transformer and heads on another backbone, and a new input projection.

        Args:
            description: of the backbone.
            origin: of the backbone, for ``network`` of the run's config.yaml.
            weights: pretrained, see `load_backbone`; mean and standard deviation of their images become those of the
                preprocessing. None: random weights.
            name: with the tag of its weights where timm has several.

        Raises:
            CheckpointError: the weights cannot be fetched, are unsafe, or not those of this backbone.
        """
        detector, notes = with_backbone(self.detector, description)
        preprocessing = self.preprocessing
        if weights is not None:
            preprocessing, more = _with_pretrained_backbone(detector, preprocessing, weights, name)
            notes = (*notes, *more)
        network = {**self.origin.get("network", {}), **origin}
        return replace(
            self,
            detector=detector,
            preprocessing=preprocessing,
            notes=(*self.notes, *notes),
            origin={**self.origin, "network": network},
            is_trained=False,
        )

    @classmethod
    def from_model(
        cls,
        checkpoint: Checkpoint,
        preprocessing: Preprocessing,
        *,
        classes: Sequence[str],
        task: Task,
        num_queries: int | None = None,
    ) -> "InitialModel":
        """A copy of a loaded model, which stays as it is."""
        detector, notes = fitted_copy(checkpoint.detector, checkpoint.labels, classes, num_queries)
        origin = {
            "model": str(checkpoint.provenance.path),
            "network": {"num_queries": detector.config.num_queries},  # it may have been loaded with others than stored
        }
        has_new_mask_head = checkpoint.has_new_mask_head
        is_trained = checkpoint.is_trained and set(classes) <= set(checkpoint.labels.values())
        if task == "detect" and isinstance(detector, ConditionalDetrSegmenter):
            detector, notes = detector.without_masks(), (*notes, "left out the mask head")
        if task != "detect" and not isinstance(detector, ConditionalDetrSegmenter):
            detector, notes = with_masks(detector), (*notes, "new mask head, freshly initialized")
            is_trained, has_new_mask_head = False, True
        return cls(
            detector,
            preprocessing,
            checkpoint.flat,
            notes,
            origin,
            is_trained=is_trained,
            has_new_mask_head=has_new_mask_head,
        )

    def with_masks_in_boxes(self, in_boxes: bool) -> "InitialModel":  # noqa: FBT001  a value, not a switch
        """Whose masks are cut off at their boxes, or are not; a model without masks stays as it is."""
        segmenter = self.detector
        if not isinstance(segmenter, ConditionalDetrSegmenter) or segmenter.masks_in_boxes == in_boxes:
            return self
        return replace(self, detector=segmenter.with_masks_in_boxes(in_boxes))

    @classmethod
    def from_run(
        cls, last: Path, *, classes: Sequence[str], task: Task, origin: Mapping[str, Any]
    ) -> "InitialModel | None":
        """The last model of a run, so that resuming does not need the initial one; None where it cannot be read."""
        if not (last / "config.json").is_file():
            return None
        try:
            model = cls.from_checkpoint(str(last), classes=classes, task=task)
        except (CheckpointError, SettingsError, StorageError):  # its weights are not needed: the checkpoints have them
            return None
        return cls(model.detector, model.preprocessing, model.flat, origin=origin)


def _with_pretrained_backbone(
    detector: ConditionalDetr, preprocessing: Preprocessing, weights: str | Path, name: str | None
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Load the weights into the detector; the preprocessing for the images that they are for, and notes."""
    loaded = load_backbone(detector.body, weights, name)
    mean, std = loaded.statistics
    return replace(preprocessing, image_mean=mean, image_std=std), loaded.notes
