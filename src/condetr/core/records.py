"""Records that are passed between rooms."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Bool
from torch import Tensor

from condetr.core.shapes import Boxes, Logits, ObjectBoxes, ObjectLabels


class Prediction(NamedTuple):
    """The output of one decoder layer for every query: a logit per class and one box."""

    logits: Logits
    boxes: Boxes


@dataclass(frozen=True, slots=True)
class Target:
    """The labeled objects of one image, possibly none.

    Attributes:
        labels: contiguous class ids.
        boxes: (cx, cy, w, h) relative to the image, in [0, 1].
        masks: one bit map per object, in pixels of the network's input, which may be larger by padding.
    """

    labels: ObjectLabels
    boxes: ObjectBoxes
    masks: Bool[Tensor, "objects height width"] | None = None

    def __len__(self) -> int:
        return len(self.labels)
