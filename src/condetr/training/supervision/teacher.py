"""The teacher of a distillation: a trained detector that predicts the student's batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from condetr.checkpoints.loading import load
from condetr.checkpoints.tensors import listed
from condetr.core.errors import SettingsError
from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.images.preprocessing import Preprocessing
from condetr.speed.accelerate import accelerate
from condetr.speed.fast_detector import FastDetector


@dataclass(frozen=True, slots=True)
class Teacher:
    """Predicts without gradients; it is no part of the student's weights or of its checkpoints.

    Attributes:
        detector: accelerated, in evaluation mode.
        queries: its object queries.
        classes: its id of each class of the student.
        scale: by which the student's pixels are multiplied to be normalized as the teacher's are.
        shift: that is then added.
        notes: on what was loaded.
    """

    detector: FastDetector
    queries: Float[Tensor, "queries channels"]
    classes: Int64[Tensor, "classes"]
    scale: Float[Tensor, "colors 1 1"]
    shift: Float[Tensor, "colors 1 1"]
    notes: tuple[str, ...] = ()

    def predict(self, pixels: Pixels, mask: PixelMask | None) -> Prediction:
        """The prediction of the last decoder layer, with the student's classes; padding is zero for it, too."""
        pixels = torch.addcmul(self.shift, pixels, self.scale)
        logits, boxes = self.detector(pixels if mask is None else pixels * mask[:, None], mask)
        return Prediction(logits[..., self.classes].float(), boxes.float())


def load_teacher(reference: str, classes: Sequence[str], preprocessing: Preprocessing, device: torch.device) -> Teacher:
    """Load any detector, or segmenter without its masks, that has the student's classes.

    Args:
        reference: a hub id, folder or file.
        classes: names of the student's classes.
        preprocessing: of the student's images.
        device: of the student.

    Raises:
        CheckpointError: it cannot be loaded.
        SettingsError: it lacks a class, or its images are scaled in another way.
    """
    checkpoint = load(reference, detector_only=True)
    channels = checkpoint.config.backbone.in_channels
    if channels != 3:
        raise SettingsError(f"{reference} is for images with {channels} channels, expected 3", item="teacher")
    ids = _ids_of(classes, checkpoint.labels, reference)
    scale, shift = _renormalizing(preprocessing, Preprocessing.from_dict(checkpoint.preprocessing or {}), reference)
    detector = checkpoint.detector.to(device)
    queries = detector.body.decoder.object_queries.detach().clone()
    commit = checkpoint.provenance.revision
    source = f"{reference} at commit {commit}" if commit else reference
    notes = tuple(f"teacher: {text}" for text in (source, *checkpoint.provenance.notes))
    fast = accelerate(detector, device)
    return Teacher(fast, queries, torch.tensor(ids, device=device), scale.to(device), shift.to(device), notes)


def _ids_of(classes: Sequence[str], labels: Mapping[int, str], reference: str) -> list[int]:
    ids = {name: number for number, name in reversed(list(labels.items()))}
    missing = [name for name in classes if name not in ids]
    if missing:
        raise SettingsError(
            f"{reference} lacks the classes {listed(missing)}; it has {listed(list(ids))}",
            item="teacher",
            hint="a teacher must have every class of the dataset, under the same name",
        )
    return [ids[name] for name in classes]


def _renormalizing(ours: Preprocessing, theirs: Preprocessing, reference: str) -> tuple[Tensor, Tensor]:
    """Scale and shift from our normalization of pixels to theirs."""
    factors = [step.rescale_factor if step.do_rescale else 1.0 for step in (ours, theirs)]
    if factors[0] != factors[1]:
        reason = f"{reference} rescales pixels by {factors[1]:g}, the student by {factors[0]:g}"
        raise SettingsError(reason, item="teacher", hint="choose a teacher with the rescale_factor of the student")
    (mean, std), (their_mean, their_std) = map(_mean_and_std, (ours, theirs))
    return std / their_std, (mean - their_mean) / their_std


def _mean_and_std(preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    values = (preprocessing.image_mean, preprocessing.image_std) if preprocessing.do_normalize else ((0.0,), (1.0,))
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in values)
    return mean, std
