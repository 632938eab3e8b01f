"""The set loss of the newest transformers on random predictions: terms, total and gradients."""

import pytest
import torch

from condetr.core.records import Prediction, Target
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import set_loss
from condetr.matching.matching_costs import MatchingCosts

transformers = pytest.importorskip("transformers", minversion="5")
losses_by_model = pytest.importorskip("transformers.loss.loss_utils").LOSS_MAPPING
NAMES = {
    "loss_ce": "classes",
    "loss_bbox": "boxes",
    "loss_giou": "giou",
    "cardinality_error": "cardinality_error",
}


def random_case(layers, counts, queries, classes):
    logits = (1.5 * torch.randn(layers, len(counts), queries, classes) - 2).requires_grad_()
    boxes = (torch.rand(layers, len(counts), queries, 4) * 0.8 + 0.1).requires_grad_()
    labels = [torch.randint(classes, (count,)) for count in counts]
    return logits, boxes, labels, [torch.rand(count, 4) * 0.5 + 0.1 for count in counts]


def theirs(logits, boxes, labels, wanted, **settings):
    config = transformers.ConditionalDetrConfig(
        num_labels=logits.shape[-1], decoder_layers=len(logits), auxiliary_loss=True, **settings
    )
    loss = losses_by_model["ConditionalDetrForObjectDetection"]
    targets = [{"class_labels": label, "boxes": box} for label, box in zip(labels, wanted, strict=True)]
    total, terms, _ = loss(logits[-1], targets, logits.device, boxes[-1], config, logits, boxes)
    return total, terms


def ours(logits, boxes, labels, wanted, costs=None, weights=None):
    predictions = [Prediction(*layer) for layer in zip(logits, boxes, strict=True)]
    targets = [Target(*image) for image in zip(labels, wanted, strict=True)]
    return set_loss(predictions, targets, costs or MatchingCosts(), weights or LossWeights(classes=1.0))


def gradients(total, *leaves):
    return torch.autograd.grad(total, leaves)


@pytest.mark.parametrize(
    "case",
    [
        {"layers": 6, "counts": [10, 10], "queries": 300, "classes": 91},
        {"layers": 6, "counts": [100, 3], "queries": 300, "classes": 91},
        {"layers": 1, "counts": [4], "queries": 20, "classes": 1},
        {"layers": 3, "counts": [0, 5, 1], "queries": 30, "classes": 7},
        {"layers": 2, "counts": [0, 0], "queries": 30, "classes": 7},
        {"layers": 2, "counts": [9, 2], "queries": 6, "classes": 7},
    ],
    ids=["coco", "crowded", "one-layer", "one-empty", "all-empty", "too-many"],
)
def test_agrees_with_transformers(case):
    args = random_case(**case)
    (total, terms), losses = theirs(*args), ours(*args)
    torch.testing.assert_close(losses.total, total, rtol=1e-6, atol=0)
    for foreign, name in NAMES.items():
        layers = [terms[f"{foreign}_{layer}"] for layer in range(case["layers"] - 1)] + [terms[foreign]]
        torch.testing.assert_close(getattr(losses, name), torch.stack(layers), rtol=2e-6, atol=1e-6)
    for found, expected in zip(gradients(losses.total, *args[:2]), gradients(total, *args[:2]), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6 * expected.abs().max().item())


def test_costs_weights_and_alpha_mean_the_same():
    args = random_case(layers=2, counts=[8, 4], queries=20, classes=5)
    total, _ = theirs(
        *args,
        class_cost=1,
        bbox_cost=3,
        giou_cost=4,
        bbox_loss_coefficient=2,
        giou_loss_coefficient=6,
        focal_alpha=0.6,
    )
    weights = LossWeights(classes=1.0, boxes=2.0, giou=6.0, alpha=0.6)
    torch.testing.assert_close(ours(*args, MatchingCosts(1.0, 3.0, 4.0), weights).total, total, rtol=1e-6, atol=0)


def test_the_weight_of_the_classes_counts_here_and_not_there():
    args = random_case(layers=2, counts=[8, 4], queries=20, classes=5)
    once, twice = theirs(*args, cls_loss_coefficient=1)[0], theirs(*args, cls_loss_coefficient=2)[0]
    assert torch.equal(once, twice)
    losses = ours(*args, weights=LossWeights(classes=2.0))
    torch.testing.assert_close(losses.total, once + losses.classes.sum(), rtol=1e-6, atol=0)
