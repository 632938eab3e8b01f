"""The network and what it is told: from pictures and targets to the losses of all decoder layers."""

from collections.abc import Sequence

import torch
from torch import nn

from condetr.core.records import Prediction, Target
from condetr.core.shapes import PixelMask, Pixels
from condetr.losses.set_loss import Losses, LossWeights, set_loss
from condetr.matching.costs import MatchingCosts
from condetr.model.detector import ConditionalDetr
from condetr.model.recompute import keep, recompute
from condetr.model.resnet import ResNet
from condetr.training.lean_backbone import make_lean, undo_lean
from condetr.training.precision import Precision
from condetr.training.query_groups import QueryGroups


class SupervisedDetector(nn.Module):
    """Wraps a detector for training; `release` gives it back as it was, but for its weights.

    Attributes:
        detector: what is trained.
        groups: the queries of other groups, if there are any.
    """

    def __init__(
        self,
        detector: ConditionalDetr,
        costs: MatchingCosts,
        weights: LossWeights,
        precision: Precision,
        *,
        query_groups: int = 1,
        recomputed: bool = False,
    ) -> None:
        super().__init__()
        self.detector = detector
        self.groups = QueryGroups(detector, query_groups) if query_groups > 1 else None
        self._costs, self._weights, self._precision = costs, weights, precision
        make_lean(detector.backbone)
        if recomputed:
            recompute(_layers_of(detector))

    def forward(
        self, pixels: Pixels, mask: PixelMask | None, targets: Sequence[Target], objects: float | None = None
    ) -> Losses:
        """Losses divided by ``objects``, the targets' unless given; averaged over query groups."""
        predictions = self.predictions(pixels, mask)
        groups = len(predictions[-1].logits) // len(targets)
        counted = None if objects is None else objects * groups
        repeated = [target for target in targets for _ in range(groups)]
        return set_loss(predictions, repeated, self._costs, self._weights, counted)

    def predictions(self, pixels: Pixels, mask: PixelMask | None) -> list[Prediction]:
        """Of every decoder layer, last layer last; each query group as an image of its own.

        The heads keep fp32: half a pixel of a large picture is beyond the digits of bf16.
        """
        pixels = pixels.contiguous(memory_format=torch.channels_last)  # as convolutions like their maps
        with self._precision.autocast():
            if self.groups is None:
                trace = self.detector.trace(pixels, mask)
                embeddings, points = list(trace.embeddings), trace.reference_logits
            else:
                trace = self.groups.trace(self.detector, pixels, mask)
                embeddings = [self.groups.apart(of_layer) for of_layer in trace.embeddings]
                points = self.groups.apart(trace.reference_logits)
        layers = len(embeddings)
        together = self.detector.head(torch.cat(embeddings).float(), points.float().repeat(layers, 1, 1))
        return [Prediction(*of_layer) for of_layer in zip(*(part.chunk(layers) for part in together), strict=True)]

    def release(self) -> None:
        keep(_layers_of(self.detector))
        undo_lean(self.detector.backbone)
        if self.groups is not None:
            self.groups.release()


def _layers_of(detector: ConditionalDetr) -> list[nn.Module]:
    """What is worth computing twice: residual blocks that learn, and the transformer's layers."""
    backbone = detector.backbone
    blocks = [block for stage in backbone.stages for block in stage.children()] if isinstance(backbone, ResNet) else []
    learning = [block for block in blocks if any(weight.requires_grad for weight in block.parameters())]
    return [*learning, *detector.encoder.layers, *detector.decoder.layers]
