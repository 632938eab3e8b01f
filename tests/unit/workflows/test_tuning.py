"""The search, with trainings that take no time: their AP follows from the settings."""

import sys
from math import log
from types import SimpleNamespace

import pytest
import yaml

from condetr.core.errors import DataError, MissingExtraError, ModelError, SettingsError, UsageError
from condetr.training.run.callbacks import Callbacks
from condetr.training.run.events import Evaluated, Noted, Started, Stepped
from condetr.workflows import trial_judge, tuning
from condetr.workflows.tuning import tune

BASE = {"lr": 1e-3, "lr_backbone": 1e-3, "batch": 4, "image_size": None, "augment": "light", "ema": 0.0}


def ap_of(named):
    """Best at a tenth of the learning rate, with augmentation "strong"."""
    return 0.5 - 0.1 * abs(log(named["lr"] / 3e-4)) + 0.1 * (named.get("augment") == "strong")


class Trainings:
    """A training in ten steps, with an evaluation after each."""

    def __init__(self, score=ap_of, failing=(), evaluates=True):
        self.seen, self.stopped, self.score, self.failing, self.evaluates = [], [], score, failing, evaluates

    def __call__(self, *, named, output, callbacks):
        number = len(self.seen)
        self.seen.append(named)
        (output / "checkpoints").mkdir(parents=True)
        if number in self.failing:
            raise ModelError("out of memory")
        say, best = Callbacks(callbacks, lambda event: None), None
        say(Started(output, 10, 0, 4, "cpu"))
        for step in range(1, 11):
            say(Stepped(step, float(step), 1.0, 0.1))
            if self.evaluates:
                best = self.score(named) * step / 10
                say(Evaluated(float(step), {"ap": best}, True))
            if say.stop_reason:
                self.stopped.append(number)
                break
        return SimpleNamespace(progress=SimpleNamespace(best=best), folder=output)


@pytest.fixture
def _optuna():
    pytest.importorskip("optuna")


pytestmark = pytest.mark.usefixtures("_optuna")


def test_the_first_trial_has_the_defaults_and_better_settings_are_found(tmp_path):
    trainings, said = Trainings(), []
    tuned = tune(trainings, BASE, {"task": "detect"}, minutes=60.0, trials=30, output=tmp_path, say=said.append)
    first = trainings.seen[0]
    assert {name: first[name] for name in ("lr", "batch", "augment", "ema")} == {
        name: BASE[name] for name in ("lr", "batch", "augment", "ema")
    }
    assert first["minutes"] == 6.0
    assert tuned.ap > ap_of(first) + 0.1
    assert tuned.ap == pytest.approx(ap_of(tuned.settings))
    assert sum(tuned.trials.values()) == len(trainings.seen) == 30
    assert tuned.trials["ended early"] == len(trainings.stopped) > 0
    stored = yaml.safe_load(tuned.best.read_text())
    assert stored == tuned.settings
    assert stored.keys() == {"task", "lr", "lr_backbone", "batch", "augment", "ema"}, "nothing of the trial's length"
    assert tuned.run.is_dir()
    assert not list(tmp_path.glob("trials/*/checkpoints"))
    assert any("lr 0.001" in event.text for event in said if isinstance(event, Noted))


def test_a_search_that_was_stopped_goes_on_with_the_trial_that_it_was_in(tmp_path):
    def stopped(**options):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(stopped, BASE, {}, minutes=60.0, output=tmp_path)
    with pytest.raises(UsageError, match="already holds a study"):
        tune(Trainings(), BASE, {}, minutes=60.0, output=tmp_path)
    trainings = Trainings()
    tuned = tune(trainings, BASE, {}, minutes=60.0, trials=4, output=tmp_path, resume=True)
    assert trainings.seen[0]["lr"] == BASE["lr"]
    assert len(trainings.seen) == 3
    assert tuned.trials == {"finished": 3, "ended early": 0, "failed": 1}
    again = Trainings()
    tune(again, BASE, {}, minutes=60.0, trials=6, output=tmp_path, resume=True)
    assert len(again.seen) == 2


@pytest.mark.parametrize("change", [{"named": {"lr": 1e-4}}, {"data": "other"}, {"search": ("lr",)}])
def test_a_study_goes_on_with_what_it_began_with_only(tmp_path, change):
    begun = {"base": BASE, "named": {}, "data": "mine"}
    tune(Trainings(), **begun, minutes=60.0, trials=1, output=tmp_path)
    with pytest.raises(SettingsError, match="began with other settings"):
        tune(Trainings(), **begun | change, minutes=60.0, trials=2, output=tmp_path, resume=True)


def test_a_trial_that_fails_is_left_behind_and_several_in_a_row_end_the_search(tmp_path):
    trainings = Trainings(failing=(0, 1, 3))
    tuned = tune(trainings, BASE, {}, minutes=60.0, trials=5, output=tmp_path / "a")
    assert tuned.trials == {"finished": 2, "ended early": 0, "failed": 3}
    with pytest.raises(ModelError, match="out of memory"):
        tune(Trainings(failing=range(9)), BASE, {}, minutes=60.0, output=tmp_path / "b")


def test_trials_have_the_length_that_is_named(tmp_path):
    trainings = Trainings()
    tune(trainings, BASE, {"epochs": 3}, minutes=60.0, trials=1, output=tmp_path / "a")
    assert (trainings.seen[0]["epochs"], "minutes" in trainings.seen[0]) == (3, False)
    tune(trainings, BASE, {}, minutes=60.0, trial_minutes=2.5, trials=1, output=tmp_path / "b")
    assert trainings.seen[1]["minutes"] == 2.5


def test_a_trial_in_epochs_ends_with_the_time_of_the_search(tmp_path, monkeypatch):
    clock = iter(map(float, range(0, 10_000, 10)))  # seconds, ten for every look
    for module in (tuning, trial_judge):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    trainings = Trainings()
    tuned = tune(trainings, BASE, {"epochs": 3}, minutes=3.0, output=tmp_path)
    assert tuned.trials == {"finished": 1, "ended early": 1, "failed": 0}
    assert trainings.stopped == [1]


def test_a_trial_in_minutes_begins_only_if_there_is_time(tmp_path):
    trainings = Trainings()
    with pytest.raises(UsageError, match="no trial finished"):
        tune(trainings, BASE, {}, minutes=1.0, trial_minutes=3.0, output=tmp_path)
    assert trainings.seen == []


def test_what_cannot_be_searched_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="nothing to search"):
        tune(Trainings(), BASE, {"lr": 1e-4}, minutes=1.0, search=("lr",), output=tmp_path)
    with pytest.raises(UsageError, match="has no study to resume"):
        tune(Trainings(), BASE, {}, minutes=1.0, output=tmp_path, resume=True)
    with pytest.raises(DataError, match="no validation images"):
        tune(Trainings(evaluates=False), BASE, {}, minutes=60.0, output=tmp_path / "b")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r'condetr tune needs optuna \(pip install "condetr\[tune\]"\)'):
        tune(Trainings(), BASE, {}, minutes=1.0, output=tmp_path)
