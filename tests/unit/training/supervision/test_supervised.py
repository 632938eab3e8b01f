import copy

import pytest
import torch

from condetr.core.records import Target
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import set_loss
from condetr.matching.matching_costs import MatchingCosts
from condetr.training.optimization.mixed_precision import Precision
from condetr.training.supervision.supervised import SupervisedDetector
from tests.scramble import scramble
from tests.tiny import tiny_segmenter
from tests.unit.training.networks import tiny_detector

FP32 = Precision(torch.float32, "cpu")
PARTS = MatchingCosts(), LossWeights(), FP32
TARGETS = [
    Target(torch.tensor([0, 1]), torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.7, 0.6, 0.3, 0.2]])),
    Target(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.4, 0.9]])),
    Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4)),
]


def batch():
    mask = torch.ones(3, 32, 48, dtype=torch.bool)
    mask[1, :, 32:] = False
    return torch.randn(3, 3, 32, 48), mask


def test_losses_and_gradients_are_those_of_every_layer():
    detector = scramble(tiny_detector(dropout=0.0))
    plain = copy.deepcopy(detector)
    pixels, mask = batch()
    losses = SupervisedDetector(detector, *PARTS)(pixels, mask, TARGETS)
    expected = set_loss(plain.predict_layers(pixels, mask), TARGETS, MatchingCosts(), LossWeights())
    # the heads see all layers at once, which changes the order of sums
    torch.testing.assert_close(losses.total, expected.total, rtol=1e-5, atol=1e-5)
    losses.total.backward()
    expected.total.backward()
    for (name, ours), theirs in zip(detector.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-4, msg=lambda said, n=name: f"{n} {said}")


def test_iou_aware_classification_is_that_of_the_set_loss():
    detector = scramble(tiny_detector(dropout=0.0))
    pixels, mask = batch()
    losses = SupervisedDetector(detector, *PARTS, iou_aware=0.75)(pixels, mask, TARGETS)
    expected = set_loss(detector.predict_layers(pixels, mask), TARGETS, MatchingCosts(), LossWeights(), iou_aware=0.75)
    torch.testing.assert_close(losses.classes, expected.classes, rtol=1e-5, atol=1e-5)


def test_three_groups_give_the_mean_of_their_losses():
    """Each group alone is a detector with other queries."""
    detector = scramble(tiny_detector(dropout=0.0))
    grouped = SupervisedDetector(detector, *PARTS, query_groups=3)
    pixels, mask = batch()
    losses = grouped(pixels, mask, TARGETS, 3.0)
    alone = []
    for queries in (detector.body.decoder.object_queries, *grouped.groups.extra.split(6)):
        single = copy.deepcopy(detector)
        single.body.decoder.object_queries.data = queries.detach().clone()
        alone.append(SupervisedDetector(single, *PARTS)(pixels, mask, TARGETS, 3.0))
    assert len({round(one.total.item(), 3) for one in alone}) == 3
    mean = torch.stack([one.total for one in alone]).mean()
    torch.testing.assert_close(losses.total, mean, rtol=1e-5, atol=1e-5)
    losses.total.backward()
    assert grouped.groups.extra.grad.abs().sum() > 0
    assert detector.body.decoder.object_queries.grad.abs().sum() > 0


def with_queries_of(detector, queries):
    other = copy.deepcopy(detector)
    other.body.decoder.object_queries.data = queries.detach().clone()
    return other


@pytest.mark.parametrize("groups", [1, 2])
def test_one_to_many_adds_the_loss_of_a_group_that_has_every_object_several_times(groups):
    detector = scramble(tiny_detector(dropout=0.0))
    supervised = SupervisedDetector(detector, *PARTS, query_groups=groups, one_to_many=3)
    scramble(supervised.groups, seed=5)
    pixels, mask = batch()
    losses = supervised(pixels, mask, TARGETS, 3.0)
    *one_to_one, last = (detector.body.decoder.object_queries, *supervised.groups.extra.split(6))
    alone = [
        SupervisedDetector(with_queries_of(detector, own), *PARTS)(pixels, mask, TARGETS, 3.0) for own in one_to_one
    ]
    repeated = [Target(target.labels.repeat(3), target.boxes.repeat(3, 1)) for target in TARGETS]
    many = SupervisedDetector(with_queries_of(detector, last), *PARTS)(pixels, mask, repeated, 9.0).total
    torch.testing.assert_close(losses.auxiliary["one_to_many"], many, rtol=1e-5, atol=1e-5)
    total = torch.stack([one.total for one in alone]).mean() + many
    torch.testing.assert_close(losses.total, total, rtol=1e-5, atol=1e-5)
    assert losses.unmatched == 0
    losses.total.backward()
    assert all(part.abs().sum() > 0 for part in supervised.groups.extra.grad.split(6))
    assert detector.body.decoder.object_queries.grad.abs().sum() > 0


def test_the_one_to_many_group_begins_as_a_copy_of_the_queries():
    detector = tiny_detector(dropout=0.0)
    losses = SupervisedDetector(detector, *PARTS, one_to_many=1)(*batch(), TARGETS)
    torch.testing.assert_close(losses.auxiliary["one_to_many"] * 2, losses.total)


def test_dense_supervision_adds_the_loss_of_the_memory_until_its_share_is_over():
    detector = scramble(tiny_detector(dropout=0.0))
    supervised = SupervisedDetector(detector, *PARTS, dense_aux=2.0, dense_until=0.5)
    pixels, mask = batch()
    plain = SupervisedDetector(copy.deepcopy(detector), *PARTS)(pixels, mask, TARGETS)
    losses = supervised(pixels, mask, TARGETS, done=0.125)
    trace = detector.trace(pixels, mask)
    expected = 1.5 * supervised.dense(trace.memory, trace.cells, TARGETS, 3.0)
    torch.testing.assert_close(losses.auxiliary["dense"], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses.total, plain.total + expected, rtol=1e-5, atol=1e-5)
    losses.auxiliary["dense"].backward()
    assert all(part.grad is not None for part in detector.body.encoder.parameters())
    assert detector.body.input_projection.weight.grad.abs().sum() > 0
    assert all(part.grad is None for part in detector.body.decoder.parameters())
    after = supervised(pixels, mask, TARGETS, done=0.5)
    assert (after.auxiliary, after.total) == ({}, plain.total)


def test_masks_are_learned_one_to_one_only():
    segmenter = tiny_segmenter(num_labels=2, dropout=0.0)
    pixels, mask = batch()
    targets = [
        Target(target.labels, target.boxes, torch.rand(len(target), 32, 48).round().bool()) for target in TARGETS
    ]
    plain = SupervisedDetector(copy.deepcopy(segmenter), *PARTS)(pixels, mask, targets)
    losses = SupervisedDetector(segmenter, *PARTS, one_to_many=2)(pixels, mask, targets)
    torch.testing.assert_close((losses.masks, losses.dice), (plain.masks, plain.dice), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses.total - losses.auxiliary["one_to_many"], plain.total, rtol=1e-5, atol=1e-5)


def test_groups_leave_the_prediction_and_the_stored_weights_alone():
    detector = scramble(tiny_detector()).eval()
    names = list(detector.state_dict())
    pixels, mask = batch()
    before = detector(pixels, mask)
    grouped = SupervisedDetector(detector, *PARTS, query_groups=4)
    torch.testing.assert_close(detector(pixels, mask), before, rtol=1e-5, atol=1e-5)  # lean norms round elsewhere
    assert list(detector.state_dict()) == names
    grouped.release()
    assert not any(layer.self_attention._forward_hooks for layer in detector.body.decoder.layers)


@pytest.mark.parametrize("groups", [1, 2])
def test_recomputing_changes_no_gradient(groups):
    detector = scramble(tiny_detector(dropout=0.1)).train()
    other = copy.deepcopy(detector)
    pixels, mask = batch()
    for network, recomputed in ((detector, False), (other, True)):
        torch.manual_seed(1)
        supervised = SupervisedDetector(network, *PARTS, query_groups=groups, recomputed=recomputed)
        supervised(pixels, mask, TARGETS).total.backward()
        supervised.release()
    for ours, theirs in zip(detector.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0)


def test_half_precision_keeps_losses_and_heads_in_fp32():
    supervised = SupervisedDetector(tiny_detector(), MatchingCosts(), LossWeights(), Precision(torch.bfloat16, "cpu"))
    pixels, mask = batch()
    predictions = supervised.predictions(pixels, mask)
    assert {tensor.dtype for prediction in predictions for tensor in prediction} == {torch.float32}
    losses = supervised(pixels, mask, TARGETS)
    assert losses.total.dtype == torch.float32
    losses.total.backward()
    assert {parameter.grad.dtype for parameter in supervised.parameters()} == {torch.float32}
