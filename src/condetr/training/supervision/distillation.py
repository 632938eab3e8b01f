"""Distillation of the decoder: a student learns from the predictions of a teacher, as in D3ETR (Chen et al. 2022).

Queries have no order, so a teacher's prediction must find its counterpart among the student's, in two ways. Fixed
matching: the teacher's object queries are decoded by the student, too, as one more group; the prediction of each is
paired with the teacher's of the same query. Adaptive matching: what the teacher sees is matched to the student's own
queries as objects are. Attention maps are not distilled, and every decoder layer learns from the teacher's last one,
so that student and teacher may differ in widths and numbers of layers.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.losses.distillation import distillation_loss
from condetr.losses.loss_weights import LossWeights
from condetr.matching.assignment import assign
from condetr.matching.matching_costs import MatchingCosts
from condetr.matching.objects import Objects
from condetr.model.decoder import DecoderTrace
from condetr.model.detector import ConditionalDetr
from condetr.model.transformer import Trace
from condetr.training.supervision.teacher import Teacher

SEEN = 0.1  # the least score of what a teacher sees, for adaptive matching


class Distillation(nn.Module):
    """Its only weights map the teacher's queries to the student's width; they begin as the identity where they can."""

    def __init__(self, teacher: Teacher, channels: int, costs: MatchingCosts, weights: LossWeights) -> None:
        """``channels`` of the student."""
        super().__init__()
        self._teacher = teacher  # no module: neither trained nor stored with the student
        self._costs, self._weights = costs, weights
        self.to_student = nn.Linear(teacher.queries.shape[1], channels, bias=False)
        nn.init.eye_(self.to_student.weight)
        if teacher.queries.shape[1] != channels:
            nn.init.orthogonal_(self.to_student.weight)

    def teach(self, pixels: Pixels, mask: PixelMask | None) -> Prediction:
        """What the teacher predicts, without gradients."""
        with torch.no_grad():
            return self._teacher.predict(pixels, mask)

    def decode(self, detector: ConditionalDetr, trace: Trace, pixels: Pixels, mask: PixelMask | None) -> DecoderTrace:
        """The student's decoder on the teacher's queries, which see each other only."""
        body = detector.body
        grid = body.grid(pixels, mask, *trace.cells.shape[1:])
        queries = self.to_student(self._teacher.queries)
        # The mask hides no query. It tells QueryGroups that all of them are one group.
        one_group = torch.ones(len(pixels), len(queries), dtype=torch.bool, device=pixels.device)
        inputs = trace.memory, grid.position, grid.mask, None, one_group
        return functional_call(body.decoder, {"object_queries": queries}, inputs)

    def fixed_loss(self, student: list[Prediction], teacher: Prediction) -> Float[Tensor, ""]:
        """Of every decoder layer's predictions for the teacher's queries, each paired with the teacher's own."""
        return torch.stack([distillation_loss(of_layer, teacher, self._weights) for of_layer in student]).sum()

    def adaptive_loss(self, student: list[Prediction], teacher: Prediction) -> Float[Tensor, ""]:
        """Of the student's queries that are matched to what the teacher sees, in every decoder layer."""
        logits = torch.stack([of_layer.logits for of_layer in student])
        boxes = torch.stack([of_layer.boxes for of_layer in student])
        seen, objects = _seen_by(teacher)
        assignment = assign(logits, boxes, objects, self._costs)
        layers = torch.arange(len(student), device=boxes.device)[:, None]
        matched = layers, assignment.images, assignment.queries
        found = assignment.images, assignment.objects
        pairs = Prediction(seen.logits[found], seen.boxes[found])
        return distillation_loss(Prediction(logits[matched], boxes[matched]), pairs, self._weights)


def _seen_by(teacher: Prediction) -> tuple[Prediction, Objects]:
    """The predictions that score at least `SEEN`, best first, and the same as objects to match."""
    scores, labels = teacher.logits.sigmoid().max(-1)
    counts = (scores >= SEEN).sum(1)
    best = scores.argsort(dim=1, descending=True)[:, : int(counts.max())]
    images = torch.arange(len(best), device=best.device)[:, None]
    seen = Prediction(teacher.logits[images, best], teacher.boxes[images, best])
    return seen, Objects(labels[images, best], seen.boxes, tuple(counts.tolist()))
