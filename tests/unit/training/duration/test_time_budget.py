"""Trainings within a time budget, on a clock that only steps and evaluations move."""

import json
import time
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from condetr.training.run.events import BackbonePretrained, Evaluated, Noted, Planned, Started, Stepped
from tests.unit.training.runs import small_run, state_of
from tests.unit.training.scenes import write_scenes

pytestmark = pytest.mark.slow  # dozens of steps each
QUICK = {"query_groups": 1, "augment": "none", "accumulate": 1, "batch": 2, "evaluate_every": "auto"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 6)


@dataclass
class Machine:
    """Seconds of a step (a number, or a function of the steps so far), and of evaluating one image."""

    step: object = 4.0
    image: float = 1.0
    now: float = 1000.0
    stop_after: int | None = None
    events: list = field(default_factory=list)
    evaluated: list = field(default_factory=list)

    def __call__(self):
        self.now += 1e-4  # time never stands still
        return self.now

    def say(self, event):
        self.events.append(event)
        if isinstance(event, Stepped | BackbonePretrained):
            self.now += self.step(event.step) if callable(self.step) else self.step
        if isinstance(event, Stepped) and event.step == self.stop_after:
            raise KeyboardInterrupt

    def evaluate(self, detector, dataset):
        assert not detector.training
        self.now += self.image * len(dataset)
        self.evaluated.append(len(dataset))
        return {"ap": 0.1}

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(time, "monotonic", machine)
    return machine


def run(machine, folder, scenes, minutes, **settings):
    began = machine.now
    result = small_run(
        folder, scenes, minutes=float(minutes), say=machine.say, evaluate=machine.evaluate, **(QUICK | settings)
    )
    return result, machine.now - began


def rates_of(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["lr"] for row in rows if "lr" in row]


def test_steps_schedule_and_evaluations_fit_the_time(machine, tmp_path, scenes):
    result, seconds = run(machine, tmp_path, scenes, 5, ema="auto", warmup="auto", schedule="linear")
    assert 0.9 * 300 < seconds <= 300
    (started,), (planned,) = machine.of(Started), machine.of(Planned)
    assert started.steps is None
    assert planned.done + planned.steps == result.progress.step == result.progress.plan.steps
    assert machine.evaluated[0] == 6, "to measure it"
    evaluations = [event.epoch for event in machine.of(Evaluated)]
    assert len(evaluations) == 1
    assert "1 evaluations of 6 images" in planned.text
    assert evaluations[-1] == pytest.approx(result.progress.step / 3, abs=1e-3)
    rates = rates_of(tmp_path)
    assert rates[-1] < 0.05 * max(rates), "the schedule reaches its end"
    assert "4 s a step: " in planned.text
    assert "EMA 0.9" in planned.text


def test_a_slower_machine_ends_in_time_with_its_schedule_at_the_end(machine, tmp_path, scenes):
    machine.step = lambda step: 4.0 if step < 35 else 8.0
    result, seconds = run(machine, tmp_path, scenes, 5, schedule="linear")
    assert 0.9 * 300 < seconds <= 1.05 * 300
    assert len(machine.of(Planned)) > 1
    first = machine.of(Planned)[0]
    assert result.progress.step < first.done + first.steps
    rates = rates_of(tmp_path)
    assert rates[-1] < 0.25 * max(rates)
    assert all(later <= earlier for earlier, later in pairwise(rates[25:])), "it never rises again"
    events = [event for event in machine.events if isinstance(event, Planned | Evaluated)]
    assert not any(
        isinstance(before, Planned) and isinstance(after, Evaluated) and after.epoch == pytest.approx(before.done / 3)
        for before, after in pairwise(events)
    ), "a change of the plan is no reason to evaluate"


def test_a_faster_machine_uses_its_time(machine, tmp_path, scenes):
    machine.step = lambda step: 8.0 if step < 28 else 4.0
    _, seconds = run(machine, tmp_path, scenes, 6)
    assert 0.85 * 360 < seconds <= 360


def test_of_long_evaluations_there_are_fewer_images_as_announced(machine, tmp_path, scenes):
    machine.image = 30.0
    _, seconds = run(machine, tmp_path, scenes, 4)
    assert seconds <= 1.05 * 240
    assert 1 <= machine.evaluated[-1] < 6
    assert f"of {machine.evaluated[-1]} of 6 images" in machine.of(Planned)[0].text


def test_steps_that_take_long_are_measured_few_times(machine, tmp_path, scenes):
    machine.step = 20.0
    result, seconds = run(machine, tmp_path, scenes, 2)
    assert seconds <= 126
    assert 3 <= result.progress.step <= 6


def test_backbone_pretraining_has_its_share_of_the_time(machine, tmp_path, scenes):
    result, seconds = run(machine, tmp_path, scenes, 8, pretrain_backbone=500)
    assert 28 <= len(machine.of(BackbonePretrained)) <= 30
    assert 70 < result.progress.step < 90
    assert 0.9 * 480 < seconds <= 480


def test_a_resumed_run_goes_on_with_the_plan_and_ends_like_an_uninterrupted_one(machine, tmp_path, scenes):
    settings = {"ema": "auto", "warmup": "auto", "save_every": 10}
    whole, _ = run(machine, tmp_path / "whole", scenes, 3, **settings)
    machine.stop_after = 33
    with pytest.raises(KeyboardInterrupt):
        run(machine, tmp_path / "run", scenes, 3, **settings)
    machine.stop_after = None
    machine.now += 1e6  # the time between does not count
    machine.events.clear()
    result, _ = run(machine, tmp_path / "run", scenes, 3, resume=True, **settings)
    assert any("goes on as it was laid out" in event.text for event in machine.of(Noted))
    assert machine.of(Planned) == []
    assert result.progress.plan == whole.progress.plan
    assert state_of(tmp_path / "run") == state_of(tmp_path / "whole")


def test_named_evaluations_stay_as_they_are(machine, tmp_path, scenes):
    _, seconds = run(machine, tmp_path, scenes, 4, evaluate_every=5)
    epochs = [event.epoch for event in machine.of(Evaluated)]
    assert epochs[:-1] == [5.0 * number for number in range(1, len(epochs))]
    assert seconds <= 240
