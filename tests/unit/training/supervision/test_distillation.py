import copy

import pytest
import torch

from condetr.core.records import Prediction, Target
from condetr.losses.loss_weights import LossWeights
from condetr.matching.matching_costs import MatchingCosts
from condetr.speed.accelerate import accelerate
from condetr.training.optimization.mixed_precision import Precision
from condetr.training.supervision.distillation import SEEN, Distillation
from condetr.training.supervision.supervised import SupervisedDetector
from condetr.training.supervision.teacher import Teacher
from tests.scramble import scramble
from tests.unit.training.networks import tiny_detector

PARTS = MatchingCosts(), LossWeights(), Precision(torch.float32, "cpu")
TARGETS = [Target(torch.tensor([0, 1]), torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.7, 0.6, 0.3, 0.2]]))] * 2


def teacher_of(detector):
    queries = detector.body.decoder.object_queries.detach().clone()
    fast = accelerate(copy.deepcopy(detector).eval(), torch.device("cpu"))
    classes = torch.arange(detector.config.num_labels)
    return Teacher(fast, queries, classes, torch.ones(3, 1, 1), torch.zeros(3, 1, 1))


def batch():
    mask = torch.ones(2, 32, 48, dtype=torch.bool)
    mask[1, :, 32:] = False
    return torch.randn(2, 3, 32, 48) * mask[:, None], mask


def single_layer(seed=1):
    return scramble(tiny_detector(dropout=0.0, decoder_layers=1), seed=seed)


@pytest.mark.parametrize("options", [{}, {"query_groups": 2, "one_to_many": 2}, {"recomputed": True}], ids=str)
def test_a_student_with_the_weights_of_its_teacher_has_nothing_to_learn_from_it(options):
    """So both matchings pair each query with itself, whatever other groups there are."""
    detector = single_layer()
    supervised = SupervisedDetector(detector, *PARTS, teacher=teacher_of(detector), **options)
    pixels, mask = batch()
    with torch.no_grad():
        assert supervised.distillation.teach(pixels, mask).logits.sigmoid().max() > SEEN
    losses = supervised(pixels, mask, TARGETS, 4.0)
    assert losses.auxiliary["teacher"].item() == pytest.approx(0, abs=1e-4)
    losses.total.backward()
    other = SupervisedDetector(detector, *PARTS, teacher=teacher_of(single_layer(seed=3)), **options)
    assert other(pixels, mask, TARGETS, 4.0).auxiliary["teacher"] > 0.1


def test_both_losses_are_divided_and_weighted_and_added_to_the_total():
    detector, teacher = scramble(tiny_detector(dropout=0.0)), teacher_of(scramble(tiny_detector(dropout=0.0), seed=3))
    pixels, mask = batch()
    plain = SupervisedDetector(copy.deepcopy(detector), *PARTS)(pixels, mask, TARGETS, 4.0)
    supervised = SupervisedDetector(detector, *PARTS, teacher=teacher, teacher_weight=0.5)
    losses = supervised(pixels, mask, TARGETS, 4.0)
    distillation, predicted = supervised.distillation, teacher.predict(pixels, mask)
    own = list(detector.predict_layers(pixels, mask))
    with_theirs = copy.deepcopy(detector)
    with_theirs.body.decoder.object_queries.data = teacher.queries  # as wide: the map is the identity
    fixed = distillation.fixed_loss(list(with_theirs.predict_layers(pixels, mask)), predicted)
    expected = 0.5 * (fixed + distillation.adaptive_loss(own, predicted)) / 4
    torch.testing.assert_close(losses.auxiliary["teacher"], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(losses.total, plain.total + expected, rtol=1e-4, atol=1e-4)


def test_teacher_and_student_may_differ_in_everything_but_their_classes():
    teacher = scramble(tiny_detector(d_model=16, num_queries=11, decoder_layers=3, dropout=0.0))
    detector = scramble(tiny_detector(dropout=0.0))
    supervised = SupervisedDetector(detector, *PARTS, teacher=teacher_of(teacher), query_groups=2)
    supervised(*batch(), TARGETS).auxiliary["teacher"].backward()
    names = {name for name, _ in supervised.named_parameters() if not name.startswith("detector.")}
    assert names == {"groups.extra", "distillation.to_student.weight"}, "the teacher is not trained"
    assert supervised.distillation.to_student.weight.grad.abs().sum() > 0
    assert detector.body.input_projection.weight.grad.abs().sum() > 0
    assert not any("teacher" in name for name in supervised.state_dict())


def test_adaptive_matching_pairs_what_the_teacher_sees_with_the_nearest_queries():
    distillation = Distillation(teacher_of(single_layer()), 32, MatchingCosts(), LossWeights())
    logits = torch.tensor([[[-9.0, 4.0], [-9.0, -9.0], [3.0, -9.0]]])  # its second query sees nothing
    boxes = torch.tensor([[[0.2, 0.2, 0.1, 0.1], [0.5, 0.5, 0.1, 0.1], [0.8, 0.8, 0.1, 0.1]]])
    student = Prediction(torch.zeros(1, 4, 2, requires_grad=True), torch.rand(1, 4, 4) * 0.1 + 0.4)
    student.boxes[0, 3], student.boxes[0, 1] = boxes[0, 0], boxes[0, 2]
    distillation.adaptive_loss([student], Prediction(logits, boxes)).backward()
    gradient = student.logits.grad[0]
    assert gradient.any(1).tolist() == [False, True, False, True]
    assert (gradient[1] < 0).tolist() == [True, False]
    assert (gradient[3] < 0).tolist() == [False, True]


def test_a_teacher_that_sees_nothing_teaches_only_by_its_own_queries():
    distillation = Distillation(teacher_of(single_layer()), 32, MatchingCosts(), LossWeights())
    student = Prediction(torch.zeros(2, 4, 2, requires_grad=True), torch.rand(2, 4, 4))
    blind = Prediction(torch.full((2, 6, 2), -9.0), torch.rand(2, 6, 4))
    assert distillation.adaptive_loss([student, student], blind).item() == 0
