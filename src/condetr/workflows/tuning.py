"""A search for settings: each trial is a short training, and AP on the validation split decides.

The study is a journal in its folder, so that a search that was stopped can go on. Trials that are worse than the median
of the others at the same share of their training end early.
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from condetr.core.errors import (
    CheckpointError,
    DataError,
    MissingExtraError,
    ModelError,
    SettingsError,
    UsageError,
    first_line_of,
)
from condetr.core.launcher import process_count
from condetr.core.names import Task
from condetr.files.atomic_write import write_files, write_text
from condetr.files.folder_lock import Lock
from condetr.files.new_folder import make_writable, next_free, preparing
from condetr.training.loop import WATCHED
from condetr.training.run.events import EventHandler, Noted, Warned, ignore_events
from condetr.training.train import Trained
from condetr.workflows.search_space import SEARCHED, Searched, first_guess, searchable, suggest
from condetr.workflows.trial_judge import TrialJudge
from condetr.workflows.tuning_study import STUDY, check_study, study_in

OUTPUT = Path("runs/tune")
BEST, TRIALS = "best.yaml", "trials"
TRIAL_SHARE = 0.1  # of the time, for each trial
SPARE = 0.9  # of its time must be left for a trial to begin
LENGTHS = {"minutes", "epochs", "steps"}  # settings that say how long a training takes
FAILURES = 3  # in a row end the search

Train = Callable[..., Trained]  # a training with ``named`` settings, ``output`` and ``callbacks``


@dataclass(frozen=True, slots=True)
class Tuned:
    """The result of a search.

    Attributes:
        folder: of the study.
        best: a YAML file of the best settings, for ``condetr train --config``.
        settings: what it holds.
        ap: on the validation split; mask AP or PQ of segmenters.
        run: the run folder of the best trial.
        trials: how many were finished, ended early, and failed.
    """

    folder: Path
    best: Path
    settings: Mapping[str, Any]
    ap: float
    run: Path
    trials: Mapping[str, int]


def tune(
    train: Train,
    base: Mapping[str, Any],
    named: Mapping[str, Any],
    *,
    minutes: float,
    trial_minutes: float | None = None,
    trials: int | None = None,
    search: Sequence[Searched] = SEARCHED,
    output: Path | None = None,
    resume: bool = False,
    task: Task = "detect",
    seed: int = 0,
    data: str = "",
    origin: Mapping[str, Any] | None = None,
    say: EventHandler = ignore_events,
) -> Tuned:
    """Train with settings that optuna suggests until the time is over.

    Args:
        train: a training, called with ``named``, ``output`` and ``callbacks``.
        base: the settings of a training without a search; the first trial has them.
        named: the settings that the user chose, which are not searched.
        minutes: for all trials together. A trial of named ``epochs`` or ``steps`` is ended then; others have a length
            in minutes, and begin only if there is time for them.
        trial_minutes: for each trial; a tenth of ``minutes`` unless given. Named ``epochs`` or ``steps`` replace it.
        trials: the most trials.
        search: the settings to search.
        output: the folder of the study; ``runs/tune``, or with a number, unless given.
        resume: continue the study in ``output``.
        task: what is trained for.
        seed: of the suggestions.
        data: fingerprint of the dataset; a study is only continued with the same one.
        origin: settings of the initial model, for the file of the best ones.
        say: called with every event.

    Raises:
        MissingExtraError: optuna is not installed.
        CondetrError: there is nothing to search, the folder cannot be used, or no trial finished.
    """
    if process_count() > 1:
        raise UsageError("runs in one process", hint="start it without torchrun")
    searched = searchable(search, base, named)
    if not searched:
        raise SettingsError("has nothing to search: all of it is named", item="search", hint="leave an option out")
    each = minutes * TRIAL_SHARE if trial_minutes is None else trial_minutes
    length = {} if named.keys() & LENGTHS else {"minutes": each}
    if output is None and resume:
        raise SettingsError("must be given to resume", item="output")
    folder = output or next_free(OUTPUT)
    check_installed()
    check_study(folder / STUDY, resume=resume)
    with preparing(folder, item="output"):
        make_writable(folder)
    lock = Lock(folder, "tuning")
    try:
        origin = dict(origin or {})
        key = json.dumps({"data": data, "origin": origin, "named": _plain(named), "search": searched, **length})
        study = study_in(folder, seed, key, first_guess(searched, base), resume=resume)
        search_in = _Search(study, train, dict(base), {**named, **length}, searched, origin, folder, task, say)
        end, needed = time.monotonic() + 60 * minutes, 60 * SPARE * length.get("minutes", 0)
        search_in.run(end, needed, math.inf if trials is None else trials)
        return search_in.result()
    finally:
        lock.release(remove=True)


class _Search:
    def __init__(
        self,
        study: Any,
        train: Train,
        base: dict[str, Any],
        named: dict[str, Any],
        searched: tuple[Searched, ...],
        origin: dict[str, Any],
        folder: Path,
        task: Task,
        say: EventHandler,
    ) -> None:
        self._study, self._train, self._base, self._named, self._origin = study, train, base, named, origin
        self._searched, self._folder, self._watched, self._say = searched, folder, WATCHED[task], say

    def run(self, end: float, needed: float, most: float | int) -> None:
        """Trials that need so many seconds until ``end`` (of ``time.monotonic``), or until there are ``most``."""
        failures = 0
        while self._begun() < most and time.monotonic() + needed < end:
            failures = 0 if self._run_trial(math.inf if needed else end, failures) else failures + 1

    def _begun(self) -> int:
        return sum(trial.state.name != "WAITING" for trial in self._study.get_trials(deepcopy=False))

    def _run_trial(self, end: float, failures: int) -> bool:
        """Whether the trial did not fail.

        Raises:
            CondetrError: several trials in a row failed; this is the last one's error.
        """
        trial = self._study.ask()
        chosen = suggest(trial, self._searched, self._base)
        trial.set_user_attr("settings", _plain(chosen))
        run = self._folder / TRIALS / f"{trial.number:03}"
        if run.exists():  # of a process that died
            shutil.rmtree(run)
        self._say(Noted(f"trial {trial.number}: {_line(chosen)}"))
        judge = TrialJudge(trial, self._watched, end)
        try:
            trained = self._train(named=self._named | chosen, output=run, callbacks=[judge])
        except (ModelError, CheckpointError) as error:  # out of memory, not finite
            self._study.tell(trial, state=_state("FAIL"))
            if failures + 1 >= FAILURES:
                raise
            self._say(Warned(f"trial {trial.number} failed: {first_line_of(error)}"))
            return False
        finally:
            shutil.rmtree(run / "checkpoints", ignore_errors=True)  # trials are not resumed
        best = trained.progress.best
        if best is None and not judge.is_ended:
            raise DataError("has no validation images to compare trials on", hint="name them with --validation")
        ended = judge.is_ended
        self._study.tell(trial, None if ended else best, state=_state("PRUNED") if ended else None)
        text = "no evaluation" if best is None else f"{self._watched} {best:.4f}"
        self._say(Noted(f"trial {trial.number}: {text}{', ended early' if ended else ''}"))
        self._write_best()
        return True

    def result(self) -> Tuned:
        if not self._finished():
            hint = "give more --minutes, or shorter trials with --epochs"
            raise UsageError("no trial finished in the time", source=self._folder, item="minutes", hint=hint)
        best, trials = self._study.best_trial, self._study.get_trials(deepcopy=False)
        counts = {
            name: sum(trial.state.name == state for trial in trials)
            for name, state in (("finished", "COMPLETE"), ("ended early", "PRUNED"), ("failed", "FAIL"))
        }
        run = self._folder / TRIALS / f"{best.number:03}"
        return Tuned(self._folder, self._folder / BEST, self._best_settings(), best.value, run, counts)

    def _finished(self) -> bool:
        return any(trial.state.name == "COMPLETE" for trial in self._study.get_trials(deepcopy=False))

    def _best_settings(self) -> dict[str, Any]:
        """The model, what the user named and what was found, without the length of a trial."""
        named = {name: value for name, value in _plain(self._named).items() if name not in LENGTHS}
        return self._origin | named | self._study.best_trial.user_attrs["settings"]

    def _write_best(self) -> None:
        if not self._finished():
            return
        best = self._study.best_trial
        text = f"# {self._watched} {best.value:.4f} in trial {best.number}; for condetr train --config\n"
        text += yaml.safe_dump(self._best_settings(), sort_keys=False)
        write_files(self._folder, {BEST: lambda path: write_text(text, path)})


def check_installed() -> None:
    """Raises MissingExtraError where optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise MissingExtraError("optuna", "tune", "condetr tune") from None


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As YAML and JSON have them."""

    def written(value: Any) -> Any:
        return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)

    return dict(json.loads(json.dumps(dict(settings), default=written)))


def _line(settings: Mapping[str, Any]) -> str:
    texts = (f"{value:g}" if isinstance(value, float) else str(value) for value in settings.values())
    return ", ".join(f"{name} {text}" for name, text in zip(settings, texts, strict=True))
