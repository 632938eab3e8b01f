import copy
import math

import pytest
import torch

from condetr.core.errors import DataError, ModelError
from condetr.core.records import Target
from condetr.data.batches import TrainingBatch
from condetr.losses.loss_weights import LossWeights
from condetr.matching.matching_costs import MatchingCosts
from condetr.training.failure_guard import MOST_IN_A_ROW, MOST_WARNINGS, FailureGuard
from condetr.training.optimization.mixed_precision import Precision
from condetr.training.optimization.optimizer import build_optimizer
from condetr.training.processes import Processes
from condetr.training.progress import Progress
from condetr.training.run.events import Warned
from condetr.training.steps import AUXILIARY, MEASURED, Step, take_step
from condetr.training.supervision.supervised import SupervisedDetector
from condetr.training.train_state import TrainState
from tests.unit.training.networks import tiny_detector

ONE = Target(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.4, 0.3]]))
TWO = Target(torch.tensor([0, 1]), torch.tensor([[0.2, 0.3, 0.2, 0.2], [0.7, 0.6, 0.3, 0.2]]))
NONE = Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))


@pytest.fixture(scope="module")
def processes():
    return Processes("cpu")


def state_of(detector, dtype=torch.float32, lr=1e-3, **options):
    precision = Precision(dtype, "cpu")
    supervised = SupervisedDetector(detector, MatchingCosts(), LossWeights(), precision, **options)
    optimizer = build_optimizer(supervised, lr=lr, lr_backbone=lr, weight_decay=0.0, decay_norms=True)
    return TrainState(supervised, supervised, optimizer, precision.scaler(), None)


def batch_of(*targets, seed=0):
    pixels = torch.randn(len(targets), 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return TrainingBatch(pixels, None, targets, tuple(f"{seed}-{number}.jpg" for number in range(len(targets))))


def gradients(state):
    return {name: weight.grad for name, weight in state.supervised.named_parameters()}


def weights_of(state):
    return {name: tensor.clone() for name, tensor in state.supervised.state_dict().items()}


@pytest.mark.parametrize("options", [{}, {"one_to_many": 2, "dense_aux": 1.0, "iou_aware": 0.75}], ids=str)
def test_accumulated_batches_are_one_large_batch(processes, options):
    """Divided by the objects of all of them: uneven batches count as they should."""
    detector = tiny_detector(dropout=0.0)
    together, apart = (state_of(copy.deepcopy(detector), lr=0.0, **options) for _ in range(2))
    apart.supervised.load_state_dict(together.supervised.state_dict())  # what is added begins at random
    one, other = batch_of(TWO, NONE, seed=1), batch_of(ONE, TWO, seed=2)
    whole = TrainingBatch(torch.cat((one.pixels, other.pixels)), None, (TWO, NONE, ONE, TWO), ("",) * 4)
    first, second = take_step(together, [whole], processes, 0.0), take_step(apart, [one, other], processes, 0.0)
    assert second.measured[:4] == pytest.approx(first.measured[:4], rel=1e-5)
    for name in AUXILIARY:
        ours, theirs = (step.measured[MEASURED.index(f"loss_{name}")] for step in (second, first))
        is_trained = any(option.startswith(name) for option in options)
        assert ours == pytest.approx(theirs, rel=1e-5) if is_trained else math.isnan(ours)
    assert second.measured[-2] == pytest.approx(first.measured[-2])  # a mean over images
    assert MEASURED[-2] == "cardinality_error"
    assert math.isnan(first.measured[MEASURED.index("loss_mask")]), "a detector learns no masks"
    for name, gradient in gradients(together).items():
        torch.testing.assert_close(gradients(apart)[name], gradient, rtol=1e-3, atol=1e-5)


def test_gradients_are_clipped_to_the_length_that_was_asked_for(processes):
    state = state_of(tiny_detector(dropout=0.0))
    step = take_step(state, [batch_of(ONE, TWO)], processes, 0.1)
    clipped = torch.stack([gradient.norm() for gradient in gradients(state).values() if gradient is not None]).norm()
    assert step.gradient_norm > 0.1
    assert clipped.item() == pytest.approx(0.1, rel=1e-4)


def test_images_without_objects_teach_the_classes_only(processes):
    state = state_of(tiny_detector(dropout=0.0))
    step = take_step(state, [batch_of(NONE, NONE)], processes, 0.1)
    assert step.skip_reason is None
    assert math.isfinite(step.measured[0])
    assert step.measured[2:4] == (0, 0)
    assert gradients(state)["detector.head.classes.weight"].abs().sum() > 0
    assert not gradients(state)["detector.head.boxes.layers.2.weight"].any()


def test_a_filler_teaches_nothing(processes):
    state = state_of(tiny_detector(dropout=0.0))
    filler = TrainingBatch(torch.zeros(1, 3, 64, 64), None, (NONE,), ("nothing",), is_filler=True)
    take_step(state, [filler], processes, 0.1)
    assert not any(gradient.any() for gradient in gradients(state).values() if gradient is not None)


def test_a_filler_beside_images_changes_no_measure(processes):
    filler = TrainingBatch(torch.zeros(1, 3, 64, 64), None, (NONE,), ("nothing",), is_filler=True)
    detector = tiny_detector(dropout=0.0)
    with_it, without = state_of(detector, lr=0.0), state_of(copy.deepcopy(detector), lr=0.0)
    steps = (
        take_step(with_it, [batch_of(TWO), filler], processes, 0.1),
        take_step(without, [batch_of(TWO)], processes, 0.1),
    )
    assert steps[0].measured == pytest.approx(steps[1].measured, nan_ok=True)


def test_more_objects_than_queries_are_counted(processes):
    crowded = Target(torch.zeros(9, dtype=torch.int64), torch.rand(9, 4) * 0.4 + 0.3)
    step = take_step(state_of(tiny_detector()), [batch_of(crowded, ONE)], processes, 0.1)
    assert (step.unmatched, step.skip_reason) == (3, None)


@pytest.mark.parametrize("where", ["input", "weight"])
def test_a_loss_that_is_not_finite_is_named_and_touches_no_weight(where, processes):
    state = state_of(tiny_detector(dropout=0.0))
    take_step(state, [batch_of(ONE)], processes, 0.1)  # moments exist
    batch = batch_of(ONE, TWO, seed=7)
    if where == "input":
        batch.pixels[1, 0, 3, 3] = math.nan
    else:
        state.supervised.detector.head.classes.bias.data[0] = math.inf
    before, moments = weights_of(state), copy.deepcopy(state.optimizer.state_dict()["state"])
    step = take_step(state, [batch_of(TWO), batch], processes, 0.1)
    torch.testing.assert_close(weights_of(state), before, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(state.optimizer.state_dict()["state"], moments, rtol=0, atol=0)
    assert "not finite" in step.skip_reason
    assert "decoder layer 0" in step.skip_reason
    if where == "input":
        assert "7-0.jpg, 7-1.jpg" in step.skip_reason
        assert "0-0.jpg" not in step.skip_reason


def test_a_gradient_that_is_not_finite_is_named_and_touches_no_weight(processes):
    state = state_of(tiny_detector(dropout=0.0))
    spoiled = state.supervised.detector.body.decoder.norm.weight
    spoiled.register_hook(lambda gradient: gradient * math.inf)
    before = weights_of(state)
    step = take_step(state, [batch_of(ONE)], processes, 0.1)
    assert step.skip_reason == "the gradient is not finite: detector.decoder.norm.weight"
    torch.testing.assert_close(weights_of(state), before, rtol=0, atol=0)


@pytest.mark.slow
def test_fp16_finds_its_gradient_scale_and_goes_on(processes):
    state = state_of(tiny_detector(dropout=0.0), torch.float16)
    state.scaler.load_state_dict(state.scaler.state_dict() | {"scale": 2.0**60})
    before, steps = weights_of(state), []
    for number in range(60):
        steps.append(take_step(state, [batch_of(ONE, TWO)], processes, 0.1))
        if steps[-1].skip_reason is None:
            break
        assert steps[-1].overflow
        torch.testing.assert_close(weights_of(state), before, rtol=0, atol=0)
        assert state.scaler.get_scale() == 2.0 ** (59 - number)
    assert 10 < len(steps) < 60
    assert all(math.isfinite(step.measured[0]) for step in steps)


def test_a_step_that_is_skip_reason_is_counted_and_too_many_end_the_run():
    said, progress = [], Progress(step=12)
    guard = FailureGuard("skip", "skip", said.append)
    lost = Step((math.nan,) * 8, math.nan, 0, skip_reason="the loss is not finite")
    guard.check_step(lost, progress)
    guard.check_step(Step((1.0,) * 8, 1.0, 0), progress)
    assert (progress.skipped, said) == (1, [Warned("skipped step 12: the loss is not finite")])
    for _ in range(MOST_IN_A_ROW - 1):
        guard.check_step(lost, progress)
    with pytest.raises(ModelError, match=f"{MOST_IN_A_ROW} steps in a row"):
        guard.check_step(lost, progress)
    with pytest.raises(ModelError, match="step 12: the loss is not finite"):
        FailureGuard("stop", "skip", said.append).check_step(lost, progress)


def test_an_overflow_is_no_reason_to_stop():
    overflow = Step((1.0,) * 8, math.inf, 0, skip_reason="the gradient is not finite", overflow=True)
    guard, progress = FailureGuard("stop", "skip", lambda event: None), Progress()
    for _ in range(50):
        guard.check_step(overflow, progress)
    assert progress.skipped == 50


def test_unreadable_images_are_named_a_few_times():
    batch = TrainingBatch(torch.zeros(1, 3, 8, 8), None, (NONE,), ("a",), ("b.jpg: gone",))
    said = []
    guard = FailureGuard("skip", "skip", said.append)
    for _ in range(3 * MOST_WARNINGS):
        guard.check_batches([batch])
    assert said[:2] == [Warned("left out: b.jpg: gone")] * 2
    assert said[2:] == [Warned("left out: b.jpg: gone; further ones are only counted")]
    guard.report_totals()
    assert said[3:] == [Warned("in total 9 images left out because they cannot be read")]
    with pytest.raises(DataError, match=r"b\.jpg: gone"):
        FailureGuard("skip", "stop", said.append).check_batches([batch])
