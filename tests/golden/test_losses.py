"""The authors' and transformers' losses, on the predictions stored with them: the last decoder layer.

`cardinality_error` is not compared: the authors and transformers 4.34 count queries whose best class is not the last
one, which is a class like any other; condetr counts scores above 0.5.
"""

import pytest
import torch

from condetr.core.records import Prediction, Target
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import Losses, set_loss
from condetr.matching.matching_costs import MatchingCosts

AUTHORS = ["orig_r50", "orig_r50_dc5", "orig_r18_learned"]
NAMES = {"loss_ce": "classes", "loss_bbox": "boxes", "loss_giou": "giou"}


def targets_of(goldens, case, *, without=()) -> list[Target]:
    targets = [Target(target["labels"], target["boxes"]) for target in goldens.targets(case)]
    return [Target(t.labels[:0], t.boxes[:0]) if image in without else t for image, t in enumerate(targets)]


def losses_of(logits, boxes, targets, weights=None) -> Losses:
    return set_loss([Prediction(logits, boxes)], targets, MatchingCosts(), weights or LossWeights())


def agrees(losses: Losses, expected: dict[str, float]) -> None:
    found = {foreign: getattr(losses, name).item() for foreign, name in NAMES.items()}
    assert found == pytest.approx({foreign: expected[foreign] for foreign in NAMES}, rel=2e-4)
    if "class_error" in expected:
        assert losses.class_error.item() == pytest.approx(expected["class_error"])


def pairs_of(losses: Losses, image: int) -> set[tuple[int, int]]:
    found = losses.assignment
    here = found.images == image
    return set(zip(found.queries[0, here].tolist(), found.objects[0, here].tolist(), strict=True))


@pytest.mark.parametrize("case", AUTHORS)
def test_the_authors_losses_total_and_assignment(goldens, case):
    tensors, numbers = goldens.expected(case)
    losses = losses_of(tensors["pred_logits"], tensors["pred_boxes"], targets_of(goldens, case))
    agrees(losses, numbers["losses_noaux"])
    assert losses.total.item() == pytest.approx(numbers["total_noaux"], rel=2e-4)
    for image, (queries, objects) in enumerate(numbers["indices"]):
        assert pairs_of(losses, image) == set(zip(queries, objects, strict=True))


@pytest.mark.parametrize("case", AUTHORS)
@pytest.mark.parametrize(("stored", "without"), [("losses_empty2", [1]), ("losses_empty_all", [0, 1])])
def test_the_authors_losses_of_empty_images(goldens, case, stored, without):
    tensors, numbers = goldens.expected(case)
    targets = targets_of(goldens, case, without=without)
    agrees(losses_of(tensors["pred_logits"], tensors["pred_boxes"], targets), numbers[stored])


def test_the_authors_detection_losses_of_a_segmenter(goldens):
    tensors, numbers = goldens.expected("orig_r50_seg")
    losses = losses_of(tensors["pred_logits"], tensors["pred_boxes_offset"], targets_of(goldens, "orig_r50_seg"))
    agrees(losses, numbers["losses_noaux_offset"])
    for image, (queries, objects) in enumerate(numbers["indices_offset"]):
        assert pairs_of(losses, image) == set(zip(queries, objects, strict=True))


@pytest.mark.parametrize(
    ("case", "weights"),
    [
        ("hf434_tiny_det", LossWeights()),
        ("hf523_tiny_det", LossWeights(classes=1.0)),  # 5.23 ignores cls_loss_coefficient
    ],
)
def test_transformers_losses_and_total(goldens, case, weights):
    tensors, numbers = goldens.expected(case)
    losses = losses_of(tensors["logits"], tensors["pred_boxes"], targets_of(goldens, case), weights)
    agrees(losses, numbers["loss_dict"])
    assert losses.total.item() == pytest.approx(numbers["loss"], rel=2e-4)


def test_cardinality_counts_scores_above_a_half(goldens):
    tensors, _ = goldens.expected("orig_r50")
    found = (tensors["pred_logits"].sigmoid() > 0.5).any(-1).sum(-1)
    expected = (found - torch.tensor([3, 2])).abs().float().mean().item()
    losses = losses_of(tensors["pred_logits"], tensors["pred_boxes"], targets_of(goldens, "orig_r50"))
    assert losses.cardinality_error.item() == expected
