"""What a prediction is asked for; checked once, when it is made, and then passed whole. Nothing here imports torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from condetr.core.errors import UsageError
from condetr.core.names import Task


@dataclass(frozen=True, kw_only=True)
class PredictionOptions:
    """Which detections are kept, and how.

    Attributes:
        threshold: detections that score at or below it are left out.
        top_k: the most detections of an image.
        batch: the most images in one batch.
        classes: names or ids of the classes to detect; None for all.
        task: boxes, instances or segments.
        mask_threshold: probability from which a pixel belongs to a mask.
        overlap: panoptic: segments that better ones leave this share of their area, or less, are left out.

    Raises:
        UsageError: one is out of its range.
    """

    threshold: float | int = 0.5
    top_k: int = 100
    batch: int = 1
    classes: Sequence[str | int] | None = None
    task: Task = "detect"
    mask_threshold: float | int = 0.5
    overlap: float | int = 0.8

    def __post_init__(self) -> None:
        for name in ("threshold", "mask_threshold", "overlap"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise UsageError(f"is {share}, expected a number from 0 to 1", item=name)
        for name in ("top_k", "batch"):
            if (count := getattr(self, name)) < 1:
                raise UsageError(f"is {count}, expected a whole number of at least 1", item=name)
