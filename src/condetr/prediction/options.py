"""Options of prediction, checked on construction and passed as one object. This module does not import torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from condetr.core.errors import UsageError
from condetr.core.names import Task


@dataclass(frozen=True, kw_only=True)
class PredictionOptions:
    """Options that the command line and Python share.

    Attributes:
        threshold: detections must score higher.
        top_k: maximum detections per image.
        batch: maximum images per forward pass.
        classes: names or ids of the classes to detect; None for all.
        task: "detect": boxes; "instance": boxes with masks; "panoptic": segments that do not overlap.
        mask_threshold: probability that a pixel must reach to belong to a mask.
        overlap: panoptic: drop segments that keep at most this fraction of their mask.

    Raises:
        UsageError: an option is out of range.
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
