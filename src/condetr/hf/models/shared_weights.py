"""The same detector, whole or with its head apart: transformers keeps the head beside the model that it crowns."""

from dataclasses import replace

from torch import nn

from condetr.model.detector import ConditionalDetr
from condetr.model.feedforward import Perceptron
from condetr.model.heads import DetectionHead
from condetr.model.transformer import DetrTransformer


class BodyOf(DetrTransformer):
    """Shares everything with a detector but the head."""

    def __init__(self, detector: DetrTransformer) -> None:
        nn.Module.__init__(self)
        _share(detector, self)


class Whole(ConditionalDetr):
    """Shares everything with a body, and the layers of its head, of which it has as many classes."""

    def __init__(self, body: DetrTransformer, classes: nn.Linear, boxes: Perceptron) -> None:
        nn.Module.__init__(self)
        _share(body, self)
        self.config = replace(body.config, num_labels=classes.out_features)
        self.head = _HeadOf(classes, boxes)


class _HeadOf(DetectionHead):
    def __init__(self, classes: nn.Linear, boxes: Perceptron) -> None:
        nn.Module.__init__(self)
        self.classes, self.boxes = classes, boxes


def _share(one: DetrTransformer, other: DetrTransformer) -> None:
    other.config = one.config
    other.backbone, other.input_projection, other.position = one.backbone, one.input_projection, one.position
    other.encoder, other.decoder = one.encoder, one.decoder
