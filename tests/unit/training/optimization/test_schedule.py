import pytest

from condetr.training.optimization.schedule import Schedule


def test_the_paper_drops_to_a_tenth_at_epoch_40_of_50():
    schedule = Schedule()
    assert [schedule.factor(1000, epoch / 50) for epoch in (0, 39.9, 40, 49.9)] == [1, 1, 0.1, 0.1]


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_a_gradual_fall_begins_where_it_is_told_and_ends_near_zero(shape):
    schedule = Schedule(shape, decay_at=0.75)
    assert schedule.factor(9, 0.75) == 1
    assert schedule.factor(9, 0.875) == pytest.approx(0.5)
    assert 0 < schedule.factor(9, 0.999) < 0.01


def test_warm_up_rises_by_equal_steps_and_never_from_nothing():
    schedule = Schedule("constant", warmup=4)
    assert [schedule.factor(step, 0.0) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
