"""The study of a search: optuna's journal in a folder, so that a search that was stopped can go on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condetr.core.errors import SettingsError, UsageError

STUDY = "study.journal"
UNJUDGED = 4  # trials before any is ended early


def check_study(file: Path, *, resume: bool) -> None:
    """Raises UsageError where there is a study that is not to be resumed, or none to resume."""
    if resume and not file.is_file():
        raise UsageError("has no study to resume", source=file.parent, hint="leave --resume out to begin one")
    if not resume and file.exists():
        hint = "--resume continues it; or choose another --output"
        raise UsageError("already holds a study", source=file.parent, hint=hint)


def study_in(folder: Path, seed: int, key: str, guess: Mapping[str, Any], *, resume: bool) -> Any:
    """The study in the folder: a new one, or, resumed, the one that is there.

    Raises:
        SettingsError: the study began with other settings or data.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    file = folder / STUDY
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(file))),
        sampler=optuna.samplers.TPESampler(seed=seed + (len(file.read_bytes()) if resume else 0)),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNJUDGED),
        study_name="condetr",
        direction="maximize",
        load_if_exists=resume,
    )
    if not resume:
        study.set_user_attr("key", key)
        study.enqueue_trial(dict(guess))
    elif study.user_attrs.get("key") != key:
        reason = "the study began with other settings, searched settings, trial minutes or data"
        raise SettingsError(reason, source=file, hint="give the same ones, or another --output")
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):  # it was stopped
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study
