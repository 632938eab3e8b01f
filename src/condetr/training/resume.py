"""Finding the newest complete checkpoint of a run, and making sure that it belongs to what is to go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from condetr.checkpoints.json_file import read_json_object
from condetr.checkpoints.safetensors_file import read_safetensors
from condetr.core.errors import CheckpointError, SettingsError
from condetr.training.checkpointing import FORMAT, MANIFEST, STATE, contents_of, steps_saved

FIXED = ("seed", "query_groups", "ema", "overfit")  # settings that the stored state was made with


@dataclass(frozen=True, slots=True)
class Stored:
    """What `save_checkpoint` was given."""

    path: Path
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def newest_complete(folder: Path) -> tuple[Path | None, list[str]]:
    """Its path, and what was wrong with newer ones."""
    passed_over: list[str] = []
    for path in steps_saved(folder).values():
        wrong = what_is_wrong(path)
        if wrong is None:
            return path, passed_over
        passed_over.append(f"{path.name} is passed over: {wrong}")
    return None, passed_over


def what_is_wrong(path: Path) -> str | None:
    """Why a checkpoint is not whole; None where it is."""
    try:
        said = read_json_object(path / MANIFEST).get("files")
    except CheckpointError as error:
        return f"{MANIFEST} {error.reason}"
    found = contents_of(path)
    if not isinstance(said, dict) or said.keys() != found.keys():
        return f"its files are not those of {MANIFEST}"
    damaged = [name for name, content in found.items() if content != said[name]]
    return f"damaged: {', '.join(damaged)}" if damaged else None


def read_checkpoint(path: Path) -> Stored:
    """Raises CheckpointError where it was written by a condetr that stores other things."""
    state = read_json_object(path / STATE)
    if state.get("format") != FORMAT:
        raise CheckpointError(
            f"is of format {state.get('format')}, written by condetr {state.get('condetr')}; this one reads {FORMAT}",
            source=path,
            hint="go on with that version, or begin a new run with --model RUN/last",
        )
    tensors = {file.stem: read_safetensors(file) for file in sorted(path.glob("*.safetensors"))}
    return Stored(path, tensors, state)


def changes_since(stored: Stored, settings: Mapping[str, Any]) -> list[str]:
    """What is set to something else than before, in words.

    Raises:
        SettingsError: one of those that cannot change.
    """
    before = stored.state["settings"]
    changed = [name for name, value in settings.items() if name in before and before[name] != value]
    for name in changed:
        if name in FIXED:
            reason = f"is {settings[name]}, but the run began with {before[name]}"
            raise SettingsError(reason, item=name, source=stored.path, hint="resume with the same value")
    return [f"{name} is {settings[name]} from here on; it was {before[name]}" for name in changed]


def check_data(stored: Stored, fingerprint: str, *, allow_changed: bool) -> str | None:
    """What to say about a data set that is not the one the run began with.

    Raises:
        SettingsError: it is not, and that is not allowed.
    """
    before = stored.state["data"]
    if before == fingerprint:
        return None
    said = f"the data set changed since the checkpoint: fingerprint {fingerprint[:12]}, it was {before[:12]}"
    if not allow_changed:
        raise SettingsError(said, source=stored.path, hint="put it back, or give --allow-changed-data")
    return said
