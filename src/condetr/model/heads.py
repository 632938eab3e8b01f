"""From a decoder embedding to a scored box, relative to the query's reference point."""

import math

from torch import nn
from torch.nn.functional import pad

from condetr.core.records import Prediction
from condetr.core.shapes import Boxes, Points, Queries
from condetr.model.config import DetectorConfig
from condetr.model.feedforward import Perceptron

PRIOR = 0.01  # chance of an object at the start, so that the many empty queries do not swamp the loss (RetinaNet, 4.1)


class DetectionHead(nn.Module):
    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        channels = config.d_model
        self.classes = nn.Linear(channels, config.num_labels)
        self.boxes = Perceptron(channels, channels, channels, 4, linear=nn.Linear)
        self._start()

    def _start(self) -> None:
        """Every class improbable, every box at its reference point."""
        nn.init.constant_(self.classes.bias, -math.log((1 - PRIOR) / PRIOR))
        nn.init.zeros_(self.boxes.last.weight)
        nn.init.zeros_(self.boxes.last.bias)

    def forward(self, embeddings: Queries, reference_logits: Points) -> Prediction:
        return Prediction(self.classes(embeddings), anchored(self.boxes(embeddings), reference_logits))


def anchored(offsets: Boxes, reference_logits: Points) -> Boxes:
    """Boxes from what the head says: centers move from the reference point, sizes have none (section 3.1)."""
    return (offsets + pad(reference_logits, (0, 2))).sigmoid()
