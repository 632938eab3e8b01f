from dataclasses import asdict, replace

import pytest

from condetr.training.duration.plan import MOST_EVALUATIONS, Pace, Plan, images_within, is_plan, lay_out

PACE = Pace(step=0.2, image=0.02, saving=0.5)


def seconds_of(plan, step=0):
    """What the plan takes from ``step`` on, when everything takes as long as measured."""
    evaluations = (plan.steps - step) // plan.evaluate_every
    return (plan.steps - step) * plan.pace.step + evaluations * (plan.images * plan.pace.image + plan.pace.saving)


@pytest.mark.parametrize("minutes", [0.1, 2, 15, 600])
@pytest.mark.parametrize("images", [0, 72, 1000])
def test_a_plan_uses_its_time_and_no_more(minutes, images):
    seconds = 60.0 * minutes
    images = images_within(seconds, PACE, images)
    plan = lay_out(seconds, PACE, step=25, images=images)
    assert 0.85 * seconds < seconds_of(plan, 25) <= seconds
    evaluations = (plan.steps - 25) / plan.evaluate_every
    assert evaluations == int(evaluations), "the last evaluation is at the end"
    assert 1 <= evaluations <= MOST_EVALUATIONS
    assert plan.evaluates_at(plan.steps)
    assert not plan.evaluates_at(25), "it was only made there"


def test_evaluations_take_a_tenth_of_the_time_or_there_is_one():
    many = lay_out(600.0, PACE, step=0, images=1000)
    assert many.steps == 2 * many.evaluate_every, "of 20.5 seconds each"
    assert lay_out(60.0, PACE, step=0, images=500).evaluate_every == lay_out(60.0, PACE, step=0, images=500).steps


def test_of_a_long_evaluation_there_are_fewer_images():
    assert images_within(60.0, PACE, 5000) == 750
    assert images_within(6000.0, PACE, 5000) == 5000
    assert images_within(0.0, PACE, 5000) == 1
    assert images_within(60.0, PACE, 0) == 0


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 0.4])
def test_without_time_there_are_no_steps(seconds):
    plan = lay_out(seconds, PACE, step=25, done=0.5, images=10)
    assert (plan.steps, plan.since, plan.done) == (25, 25, 0.5)


def test_named_evaluations_take_their_share_of_the_time():
    plan = lay_out(100.0, Pace(step=0.1, image=0.1), step=0, images=10, steps_between=10.0)
    assert plan.evaluate_every is None
    assert 46 <= plan.steps * 0.1 <= 49, "each ten steps of one second are followed by an evaluation of one"


def test_the_time_is_checked_after_steps_that_the_plan_alone_decides():
    plan = lay_out(600.0, PACE, step=25, images=10)
    checks = [step for step in range(26, plan.steps + 1) if plan.checks_at(step)]
    assert 45 <= len(checks) <= 60
    assert lay_out(3.0, PACE, step=25, images=1).checks_at(27)


def test_a_plan_comes_back_from_a_checkpoint():
    plan = lay_out(600.0, PACE, step=25, images=10)
    assert Plan.from_dict(asdict(plan)) == plan
    assert is_plan(asdict(plan))
    assert is_plan(asdict(replace(plan, evaluate_every=None)))
    damaged = [{"steps": -1}, {"steps": "3"}, {"pace": {}}, {"pace": None}, {"more": 1}, {"done": None}]
    assert not any(is_plan(asdict(plan) | wrong) for wrong in damaged)
    assert not is_plan([])
