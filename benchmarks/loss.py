"""Matching and set loss of all decoder layers, forward and backward, against transformers' loss.

python -m benchmarks.loss [--rounds 15] [--threads 1] [--json FILE]
"""

import torch
import transformers
from torch import Tensor
from transformers.loss.loss_utils import LOSS_MAPPING

from benchmarks.against_peer import arguments, measure, write
from condetr.core.records import Prediction, Target
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import set_loss
from condetr.matching.matching_costs import MatchingCosts

LAYERS, BATCH, QUERIES, CLASSES = 6, 2, 300, 91
GOALS = {10: 2.5, 100: 3.5}  # by objects an image


class Case:
    def __init__(self, objects: int) -> None:
        torch.manual_seed(objects)
        self.logits = (1.5 * torch.randn(LAYERS, BATCH, QUERIES, CLASSES) - 3).requires_grad_()
        self.boxes = (0.8 * torch.rand(LAYERS, BATCH, QUERIES, 4) + 0.1).requires_grad_()
        self.labels = torch.randint(CLASSES, (BATCH, objects))
        self.wanted = 0.5 * torch.rand(BATCH, objects, 4) + 0.1
        self.config = transformers.ConditionalDetrConfig(num_labels=CLASSES, decoder_layers=LAYERS, auxiliary_loss=True)

    def ours(self) -> tuple[Tensor, ...]:
        predictions = [Prediction(*layer) for layer in zip(self.logits, self.boxes, strict=True)]
        targets = [Target(*image) for image in zip(self.labels, self.wanted, strict=True)]
        # transformers 5 ignores cls_loss_coefficient: its classes weigh 1
        return self._with_gradients(set_loss(predictions, targets, MatchingCosts(), LossWeights(classes=1.0)).total)

    def theirs(self) -> tuple[Tensor, ...]:
        loss = LOSS_MAPPING["ConditionalDetrForObjectDetection"]
        images = zip(self.labels, self.wanted, strict=True)
        targets = [{"class_labels": labels, "boxes": boxes} for labels, boxes in images]
        last = self.logits[-1], targets, self.logits.device, self.boxes[-1]
        return self._with_gradients(loss(*last, self.config, self.logits, self.boxes)[0])

    def _with_gradients(self, total: Tensor) -> tuple[Tensor, ...]:
        return total, *torch.autograd.grad(total, (self.logits, self.boxes))

    def deviation(self) -> float:
        """Largest difference of the total or a gradient, relative to the largest of its kind."""
        pairs = zip(self.ours(), self.theirs(), strict=True)
        return max(((mine - their).abs().max() / their.abs().max()).item() for mine, their in pairs)


def main() -> None:
    options = arguments(__doc__)
    print(f"{LAYERS} layers, batch {BATCH}, {QUERIES} queries, {CLASSES} classes; deviation of the total and gradients")
    rows = []
    for objects, goal in GOALS.items():
        case = Case(objects)
        name = f"{objects} objects an image"
        deviation = case.deviation()
        rows.append(measure(name, case.ours, case.theirs, rounds=options.rounds, deviation=deviation, goal=goal))
    write(rows, options.json)


if __name__ == "__main__":
    main()
