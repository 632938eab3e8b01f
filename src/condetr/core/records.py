"""What the rooms hand to each other."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Bool
from torch import Tensor

from condetr.core.shapes import Boxes, Logits, ObjectBoxes, ObjectLabels


class Prediction(NamedTuple):
    """What one decoder layer says about every query: a score per class and one box."""

    logits: Logits
    boxes: Boxes


@dataclass(frozen=True, slots=True)
class Target:
    """The labeled objects of one image, possibly none.

    Attributes:
        labels: contiguous class ids.
        boxes: (cx, cy, w, h) relative to the image, in [0, 1].
        masks: one bit map per object, in pixels of the network's input; where that is larger, the rest is padding.
    """

    labels: ObjectLabels
    boxes: ObjectBoxes
    masks: Bool[Tensor, "objects height width"] | None = None

    def __len__(self) -> int:
        return len(self.labels)
