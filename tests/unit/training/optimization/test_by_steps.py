import pytest

from condetr.training.optimization.by_steps import ema_decay, epochs_between_evaluations, warmup_steps


@pytest.mark.parametrize(
    ("steps", "warmup", "decay"),
    [(10, 1, 0.9), (150, 15, 0.9), (750, 60, 0.98), (7300, 60, 0.99795), (10**6, 60, 0.9998)],
)
def test_short_trainings_warm_up_and_average_over_fewer_steps(steps, warmup, decay):
    assert warmup_steps("auto", steps) == warmup
    assert ema_decay("auto", steps) == pytest.approx(decay, abs=1e-5)
    assert (warmup_steps(7, steps), ema_decay(0.5, steps)) == (7, 0.5)


@pytest.mark.parametrize(("epochs", "every"), [(1.0, 1), (0.3, 1), (12.0, 1), (13.0, 2), (100.0, 9)])
def test_there_are_at_most_twelve_evaluations(epochs, every):
    assert epochs_between_evaluations("auto", epochs) == every
    assert epochs_between_evaluations(3, epochs) == 3
