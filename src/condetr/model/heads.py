"""From a decoder embedding to class logits and a box, relative to the query's reference point."""

import math

from torch import nn
from torch.nn.functional import pad

from condetr.core.records import Prediction
from condetr.core.shapes import Boxes, Points, Queries
from condetr.model.config import DetectorConfig
from condetr.model.feedforward import Perceptron

PRIOR = 0.01  # initial class probability, so that the many empty queries do not swamp the loss (RetinaNet, 4.1)


class DetectionHead(nn.Module):
    def __init__(self, classes: nn.Linear, boxes: Perceptron) -> None:
        super().__init__()
        self.classes, self.boxes = classes, boxes

    @classmethod
    def fresh(cls, config: DetectorConfig) -> "DetectionHead":
        """Every class improbable, every box at its reference point."""
        channels = config.d_model
        classes = nn.Linear(channels, config.num_labels)
        boxes = Perceptron(channels, channels, channels, 4, linear=nn.Linear)
        nn.init.constant_(classes.bias, -math.log((1 - PRIOR) / PRIOR))
        nn.init.zeros_(boxes.last.weight)
        nn.init.zeros_(boxes.last.bias)
        return cls(classes, boxes)

    def forward(self, embeddings: Queries, reference_logits: Points) -> Prediction:
        return Prediction(self.classes(embeddings), anchored(self.boxes(embeddings), reference_logits))


def anchored(offsets: Boxes, reference_logits: Points) -> Boxes:
    """Boxes from predicted offsets: centers are relative to the reference point, sizes are not (section 3.1)."""
    return (offsets + pad(reference_logits, (0, 2))).sigmoid()
