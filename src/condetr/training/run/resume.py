"""Finds the newest usable checkpoint of a run, and checks that settings, data and network still match it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from condetr.checkpoints.safetensors_file import read_safetensors
from condetr.core.errors import CheckpointError, SettingsError
from condetr.core.names import with_current_names
from condetr.files.json_reading import read_json_object
from condetr.training.duration.plan import is_plan
from condetr.training.progress import Position, Progress, with_current_fields
from condetr.training.run.checkpointing import FORMAT, MANIFEST, STATE, contents_of, steps_saved
from condetr.training.settings import TrainingSettings

# settings that the stored state depends on
FIXED = (
    *("seed", "query_groups", "one_to_many", "dense_aux", "teacher", "ema", "overfit", "repeat_factor"),
    "masks_in_boxes",
)
ADDED: Mapping[str, Any] = {"masks_in_boxes": False}  # fields of the network that older versions did not store


@dataclass(frozen=True, slots=True)
class Stored:
    """The content of a checkpoint."""

    path: Path
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def newest_complete(folder: Path) -> tuple[Path | None, list[str]]:
    """Its path, and the problems of newer ones."""
    problems: list[str] = []
    for path in steps_saved(folder).values():
        wrong = what_is_wrong(path)
        if wrong is None:
            return path, problems
        problems.append(f"{path.name} is skipped: {wrong}")
    return None, problems


def what_is_wrong(path: Path) -> str | None:
    """Why a checkpoint is not complete; None where it is."""
    try:
        listed = read_json_object(path / MANIFEST).get("files")
        actual = contents_of(path)
    except CheckpointError as error:
        return f"{MANIFEST} {error.reason}"
    except OSError as error:  # a folder where a file should be
        return f"{Path(error.filename or path).name} cannot be read: {error.strerror or error}"
    if not isinstance(listed, dict) or listed.keys() != actual.keys():
        return f"its files are not those of {MANIFEST}"
    damaged = [name for name, content in actual.items() if content != listed[name]]
    return f"damaged: {', '.join(damaged)}" if damaged else None


def newest_usable(folder: Path) -> tuple[Stored | None, list[str]]:
    """The newest checkpoint that a run can resume from, and the problems of newer ones.

    Raises:
        CheckpointError: it was written by a version of condetr with another format.
    """
    problems: list[str] = []
    for path in steps_saved(folder).values():
        wrong = what_is_wrong(path)
        if wrong is None:
            try:
                stored = read_checkpoint(path)
                wrong = what_is_missing(stored)
            except CheckpointError as error:
                if isinstance(error, _OtherVersionError):
                    raise
                wrong = f"{Path(error.source or path).name} {error.reason}"
            if wrong is None:
                return stored, problems
        problems.append(f"{path.name} is skipped: {wrong}")
    return None, problems


def what_is_missing(stored: Stored) -> str | None:
    """Which fields of the state are missing or have the wrong type; None where all are right."""
    state = stored.state
    kinds = {"settings": dict, "data": str, "batch": int, "processes": int, "numbers": dict, "progress": dict}
    broken = [name for name, kind in kinds.items() if type(state.get(name)) is not kind]
    if not broken:
        broken = [f"progress.{name}" for name in _broken_in(with_current_fields(state["progress"]))]
    if not broken:
        broken = [name for name in ("network", "preprocessing") if not isinstance(state.get(name, {}), dict)]
    if not broken and state["progress"]["step"] != int(stored.path.name.removeprefix("step-")):
        broken = ["progress.step"]
    if not broken and not isinstance(state["numbers"].get("scaler"), dict):
        broken = ["numbers.scaler"]
    return f"{STATE} has no usable {', '.join(broken)}" if broken else None


def _broken_in(progress: dict[str, Any]) -> list[str]:
    def is_count(value: object) -> bool:
        return type(value) is int and value >= 0

    def is_number(value: object) -> bool:
        return type(value) in (int, float)

    def fits(name: str, value: object) -> bool:
        match name:
            case "position":
                return isinstance(value, list) and len(value) == len(Position._fields) and all(map(is_count, value))
            case "metrics":
                return isinstance(value, dict) and all(map(is_number, value.values()))
            case "best" | "plan":
                return value is None or (is_number(value) if name == "best" else is_plan(value))
            case "best_epoch" | "seconds":
                return is_number(value)
            case "saved":
                return type(value) is int
        return is_count(value)

    names = [spec.name for spec in fields(Progress)]
    return [name for name in names if name not in progress or not fits(name, progress[name])] + [
        name for name in progress if name not in names
    ]


class _OtherVersionError(CheckpointError):
    """The checkpoint is complete, but of another format."""


def read_checkpoint(path: Path) -> Stored:
    """Raises CheckpointError where it was written by a version of condetr with another format."""
    state = read_json_object(path / STATE)
    if state.get("format") != FORMAT:
        is_complete = type(state.get("format")) is int and isinstance(state.get("condetr"), str)
        raise (_OtherVersionError if is_complete else CheckpointError)(
            f"is of format {state.get('format')}, written by condetr {state.get('condetr')}; this one reads {FORMAT}",
            source=path,
            hint="resume with that version, or start a new run with --model RUN/last",
        )
    tensors = {file.stem: read_safetensors(file) for file in sorted(path.glob("*.safetensors"))}
    return Stored(path, tensors, with_current_names(state))


def changes_since(stored: Stored, settings: Mapping[str, Any]) -> list[str]:
    """A sentence for each setting that differs from the checkpoint's.

    Raises:
        SettingsError: one that cannot change.
    """
    before = {name: getattr(TrainingSettings, name) for name in FIXED} | stored.state["settings"]  # of older versions
    changed = [name for name, value in settings.items() if name in before and before[name] != value]
    for name in changed:
        if name in FIXED:
            reason = f"is {settings[name]}, but the run began with {before[name]}"
            raise SettingsError(reason, item=name, source=stored.path, hint="resume with the same value")
    return [f"{name} changes from {before[name]} to {settings[name]}" for name in changed]


def check_data(stored: Stored, fingerprint: str, *, allow_changed: bool) -> str | None:
    """A warning where the dataset is not that of the checkpoint.

    Raises:
        SettingsError: it is not, and ``allow_changed`` is not set.
    """
    before = stored.state["data"]
    if before == fingerprint:
        return None
    reason = f"the dataset changed since the checkpoint: fingerprint {fingerprint[:12]}, it was {before[:12]}"
    if not allow_changed:
        raise SettingsError(reason, source=stored.path, hint="restore it, or give --allow-changed-data")
    return reason


def check_model(stored: Stored, now: Mapping[str, Any]) -> None:
    """Compare network and preprocessing with those of the checkpoint; only the image size may change.

    Raises:
        CheckpointError: one of them changed, for example because a file of the run is damaged.
    """
    sizes = ("image_size", "max_size")
    resized = any(stored.state["settings"].get(name) != now["settings"].get(name) for name in sizes)
    for part, file in (("network", "config.json"), ("preprocessing", "preprocessor_config.json")):
        before, after = stored.state.get(part), now[part]
        if before is None:  # older versions did not store it
            continue
        if part == "network":
            before = {**ADDED, **before}
        free = ("size", "do_resize") if part == "preprocessing" and resized else ()
        for name in sorted((before.keys() | after.keys()) - set(free)):
            old, new = before.get(name), after.get(name)
            if isinstance(old, dict) and isinstance(new, dict):  # older versions did not store all of a backbone
                new = {field: value for field, value in new.items() if field in old}
            if old != new:
                reason = f"{name} of the {part} is {after.get(name)}, but the run began with {before.get(name)}"
                hint = f"restore last/{file} of the run, or remove the folder last: the run's --model is read then"
                raise CheckpointError(reason, source=stored.path, item=name, hint=hint)
