"""A detector wrapped with matching and losses: from images and targets to the losses of all decoder layers."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.core.records import Prediction, Target
from condetr.core.shapes import PixelMask, Pixels, Points, Queries
from condetr.losses.loss_weights import LossWeights
from condetr.losses.masks import MaskMaps, MaskSupervision, Matches
from condetr.losses.object_count import objects_in
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
from condetr.training.supervision.dense_supervision import DenseSupervision
from condetr.training.supervision.distillation import Distillation
from condetr.training.supervision.one_to_many import repeated_objects
from condetr.training.supervision.query_groups import QueryGroups
from condetr.training.supervision.teacher import Teacher

OfQueries = Float[Tensor, "batch queries channels"]
OfGroups = Float[Tensor, "groups_of_batch queries_of_group channels"]


class SupervisedDetector(nn.Module):
    """Wraps a detector for training; `release` removes the wrapping and keeps the trained weights.

    Attributes:
        detector: the network to train; a segmenter is trained on masks, too.
        groups: the additional query groups, if any.
        dense: the dense auxiliary head, if there is one.
        distillation: from a teacher, if there is one.
    """

    def __init__(
        self,
        detector: ConditionalDetr,
        costs: MatchingCosts,
        weights: LossWeights,
        precision: Precision,
        *,
        query_groups: int = 1,
        one_to_many: int = 0,
        dense_aux: float = 0.0,
        dense_until: float = 0.5,
        iou_aware: float = 0.0,
        teacher: Teacher | None = None,
        teacher_weight: float = 1.0,
        recomputed: bool = False,
    ) -> None:
        """The options are settings of the same names, but for ``recomputed``: activation checkpointing."""
        super().__init__()
        self.detector = detector
        has_groups = query_groups > 1 or one_to_many > 0
        self.groups = QueryGroups(detector, query_groups, one_to_many=one_to_many > 0) if has_groups else None
        self._repetitions = one_to_many
        self.dense = DenseSupervision(detector.config, weights, dense_aux, dense_until) if dense_aux else None
        self.distillation = None
        if teacher is not None:
            self.distillation = Distillation(teacher, detector.config.d_model, costs, weights)
        self._teacher_weight = teacher_weight
        self._precision = precision
        self._set_loss = partial(set_loss, costs=costs, weights=weights, iou_aware=iou_aware)
        make_lean(detector.body.backbone)
        self._recomputed = _layers_of(detector) if recomputed else []
        activation_checkpointing.enable(self._recomputed)

    def forward(
        self,
        pixels: Pixels,
        mask: PixelMask | None,
        targets: Sequence[Target],
        objects: float | None = None,
        done: float = 0.0,
    ) -> Losses:
        """The set loss of the paper, averaged over query groups, and in its total what training adds to it.

        Args:
            pixels: normalized images.
            mask: True on real pixels; None when nothing is padded.
            targets: of each image.
            objects: divisor of the losses; by default the number in ``targets``.
            done: the fraction of the training that is done, with which the weight of dense supervision falls.
        """
        trace = self._trace(pixels, mask)
        count = objects_in(targets, pixels.device) if objects is None else objects
        one_to_one = trace if self.groups is None else self.groups.one_to_one(trace)
        losses = self._one_to_one_losses(one_to_one, (pixels.shape[2], pixels.shape[3]), mask, targets, count)
        auxiliary = {}
        if self.groups is not None and self._repetitions:
            auxiliary["one_to_many"] = self._one_to_many_loss(self.groups.one_to_many(trace), targets, count)
        if self.dense is not None and (weight := self.dense.weight(done)):
            auxiliary["dense"] = weight * self.dense(trace.memory, trace.cells, targets, count)
        if self.distillation is not None:
            distilled = self._distillation_loss(self.distillation, one_to_one, pixels, mask)
            auxiliary["teacher"] = self._teacher_weight * distilled / count
        if not auxiliary:
            return losses
        return replace(losses, total=losses.total + sum(auxiliary.values()), auxiliary=auxiliary)

    def _one_to_one_losses(
        self,
        trace: Trace,
        frame: tuple[int, int],
        mask: PixelMask | None,
        targets: Sequence[Target],
        objects: float,
    ) -> Losses:
        predictions = self._predict(trace)
        groups = len(predictions[-1].logits) // len(targets)
        repeated = [target for target in targets for _ in range(groups)]
        supervision = None
        if isinstance(self.detector, ConditionalDetrSegmenter):
            real = None if mask is None else mask.repeat_interleave(groups, 0)
            predict = partial(self._masks, self.detector.mask_head, trace)
            supervision = MaskSupervision(predict, frame, real, self.detector.masks_in_boxes)
        return self._set_loss(predictions, repeated, objects=objects * groups, supervision=supervision)

    def _one_to_many_loss(self, trace: Trace, targets: Sequence[Target], objects: float) -> Float[Tensor, ""]:
        """Its weight is 1, as in H-DETR; masks are learned one to one only."""
        repeated = repeated_objects(targets, self._repetitions, trace.reference_logits.shape[1])
        return self._set_loss(self._predict(trace), repeated, objects=objects * self._repetitions).total

    def _distillation_loss(
        self, distillation: Distillation, trace: Trace, pixels: Pixels, mask: PixelMask | None
    ) -> Float[Tensor, ""]:
        """The sum over layers and queries, before it is divided; additional query groups are not distilled."""
        teacher = distillation.teach(pixels, mask)
        with self._precision.autocast():
            decoded = distillation.decode(self.detector, trace, pixels, mask)
        fixed = distillation.fixed_loss(self._apply_head(decoded.embeddings, decoded.reference_logits), teacher)
        own = self.detector.body.decoder.object_queries.shape[0]
        embeddings = [of_layer[:, :own] for of_layer in trace.embeddings]
        student = self._apply_head(embeddings, trace.reference_logits[:, :own])
        return fixed + distillation.adaptive_loss(student, teacher)

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
        embeddings = [self._separate_groups(of_layer) for of_layer in trace.embeddings]
        return self._apply_head(embeddings, self._separate_groups(trace.reference_logits))

    def _apply_head(self, embeddings: Sequence[Queries], points: Points) -> list[Prediction]:
        """It runs in fp32: bf16 cannot represent half a pixel of a large image."""
        layers = len(embeddings)
        stacked = self.detector.head(torch.cat(list(embeddings)).float(), points.float().repeat(layers, 1, 1))
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
        activation_checkpointing.disable(self._recomputed)
        undo_lean(self.detector.body.backbone)
        if self.groups is not None:
            self.groups.release()


def _layers_of(detector: ConditionalDetr) -> list[nn.Module]:
    """The modules to recompute: trainable residual blocks and transformer layers."""
    body, backbone = detector.body, detector.body.backbone
    blocks = [block for stage in backbone.stages for block in stage.children()] if isinstance(backbone, ResNet) else []
    trainable = [block for block in blocks if any(weight.requires_grad for weight in block.parameters())]
    return [*trainable, *body.encoder.layers, *body.decoder.layers]
