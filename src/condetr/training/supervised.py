"""A detector wrapped with matching and losses: from images and targets to the losses of all decoder layers."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.core.records import Prediction, Target
from condetr.core.shapes import PixelMask, Pixels
from condetr.losses.loss_weights import LossWeights
from condetr.losses.masks import MaskMaps, MaskSupervision, Matches
from condetr.losses.set_loss import Losses, set_loss
from condetr.matching.matching_costs import MatchingCosts
from condetr.model import activation_checkpointing
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_head import MaskHead
from condetr.model.resnet import ResNet
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.model.transformer import Trace
from condetr.speed.training.lean_backbone import make_lean, undo_lean
from condetr.training.optimization.mixed_precision import Precision
from condetr.training.query_groups import QueryGroups

OfQueries = Float[Tensor, "batch queries channels"]
OfGroups = Float[Tensor, "groups_of_batch queries_of_group channels"]


class SupervisedDetector(nn.Module):
    """Wraps a detector for training; `release` removes the wrapping and keeps the trained weights.

    Attributes:
        detector: the network to train; a segmenter is trained on masks, too.
        groups: the additional query groups, if any.
    """

    def __init__(
        self,
        detector: ConditionalDetr,
        costs: MatchingCosts,
        weights: LossWeights,
        precision: Precision,
        *,
        query_groups: int = 1,
        iou_aware: float = 0.0,
        recomputed: bool = False,
    ) -> None:
        """The options are settings of the same names, but for ``recomputed``: activation checkpointing."""
        super().__init__()
        self.detector = detector
        self.groups = QueryGroups(detector, query_groups) if query_groups > 1 else None
        self._precision = precision
        self._set_loss = partial(set_loss, costs=costs, weights=weights, iou_aware=iou_aware)
        make_lean(detector.body.backbone)
        if recomputed:
            activation_checkpointing.enable(_layers_of(detector))

    def forward(
        self, pixels: Pixels, mask: PixelMask | None, targets: Sequence[Target], objects: float | None = None
    ) -> Losses:
        """Losses divided by ``objects`` (by default the number in ``targets``) and averaged over query groups."""
        trace = self._trace(pixels, mask)
        predictions = self._predict(trace)
        groups = len(predictions[-1].logits) // len(targets)
        counted = None if objects is None else objects * groups
        repeated = [target for target in targets for _ in range(groups)]
        supervision = None
        if isinstance(self.detector, ConditionalDetrSegmenter):
            real = None if mask is None else mask.repeat_interleave(groups, 0)
            predict = partial(self._masks, self.detector.mask_head, trace)
            supervision = MaskSupervision(predict, (pixels.shape[2], pixels.shape[3]), real)
        return self._set_loss(predictions, repeated, objects=counted, supervision=supervision)

    def predictions(self, pixels: Pixels, mask: PixelMask | None) -> list[Prediction]:
        """Of every decoder layer, the last one last; each query group counts as a separate image."""
        return self._predict(self._trace(pixels, mask))

    def _trace(self, pixels: Pixels, mask: PixelMask | None) -> Trace:
        pixels = pixels.contiguous(memory_format=torch.channels_last)  # the fastest layout for convolutions
        with self._precision.autocast():
            if self.groups is None:
                return self.detector.trace(pixels, mask)
            return self.groups.trace(self.detector, pixels, mask)

    def _predict(self, trace: Trace) -> list[Prediction]:
        """The heads run in fp32: bf16 cannot represent half a pixel of a large image."""
        embeddings, points = (
            [self._separate_groups(of_layer) for of_layer in trace.embeddings],
            self._separate_groups(trace.reference_logits),
        )
        layers = len(embeddings)
        stacked = self.detector.head(torch.cat(embeddings).float(), points.float().repeat(layers, 1, 1))
        return [Prediction(*of_layer) for of_layer in zip(*(part.chunk(layers) for part in stacked), strict=True)]

    def _masks(self, mask_head: MaskHead, trace: Trace, images: Matches, queries: Matches) -> MaskMaps:
        """Masks of matched queries; the query groups of an image share its features."""
        embeddings = self._separate_groups(trace.embeddings[-1])
        groups = len(embeddings) // len(trace.memory)
        counts = (images // groups).bincount(minlength=len(trace.memory)).tolist()
        with self._precision.autocast():
            return torch.cat(mask_head(trace, embeddings[images, queries].split(counts)))

    def _separate_groups(self, of_queries: OfQueries) -> OfGroups:
        return of_queries if self.groups is None else self.groups.separate(of_queries)

    def release(self) -> None:
        activation_checkpointing.disable(_layers_of(self.detector))
        undo_lean(self.detector.body.backbone)
        if self.groups is not None:
            self.groups.release()


def _layers_of(detector: ConditionalDetr) -> list[nn.Module]:
    """The modules to recompute: trainable residual blocks and transformer layers."""
    body, backbone = detector.body, detector.body.backbone
    blocks = [block for stage in backbone.stages for block in stage.children()] if isinstance(backbone, ResNet) else []
    trainable = [block for block in blocks if any(weight.requires_grad for weight in block.parameters())]
    return [*trainable, *body.encoder.layers, *body.decoder.layers]
