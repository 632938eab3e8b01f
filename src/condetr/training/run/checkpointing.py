"""Checkpoints: everything that a run needs to resume, written completely or not at all.

    checkpoints/step-N/   weights, optimizer and EMA as safetensors, state.json, and manifest.json: the sizes and
                          hashes of the other files, written last

A checkpoint is written under a temporary name, synced to disk, and only then renamed; the one before it stays until the
next. Whenever a process dies, the newest checkpoint under its final name is complete, and nothing needs to be cleaned
up by hand.
"""

import hashlib
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from condetr.core.errors import StorageError
from condetr.files.atomic_write import reach_disk, write_json, write_tensors

FORMAT = 1
MANIFEST, STATE = "manifest.json", "state.json"
STAGED, REMOVED = ".staged-", ".removed-"  # prefixes of folders that are not, or no longer, a checkpoint


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> Path:
    """Write ``folder/step-N``, and remove all others but the one before it.

    Raises:
        StorageError: it cannot be written; existing checkpoints stay.
    """
    final, staged = folder / f"step-{step}", folder / f"{STAGED}step-{step}"
    try:
        remove_leftovers(folder)
        staged.mkdir(parents=True)
        for name, group in tensors.items():
            plain = {key: tensor.detach().cpu().contiguous() for key, tensor in group.items()}
            write_tensors(plain, staged / f"{name}.safetensors")
        write_json({"format": FORMAT, **state}, staged / STATE)
        write_json({"step": step, "files": contents_of(staged)}, staged / MANIFEST)
        for path in (*staged.iterdir(), staged):
            reach_disk(path)
        if final.exists():  # unreadable, or of the same step
            final.rename(folder / f"{REMOVED}step-{step}")
        staged.rename(final)
        reach_disk(folder)
        _prune(folder, step)
    except OSError as error:
        with suppress(OSError):
            shutil.rmtree(staged)
        reason = f"the checkpoint cannot be written: {error.strerror or error}"
        raise StorageError(
            reason, source=folder, hint="check the free space; --resume continues from the last one"
        ) from error
    return final


def steps_saved(folder: Path) -> dict[int, Path]:
    """Folders named like checkpoints, newest step first; file times are ignored."""
    named = {entry.name.removeprefix("step-"): entry for entry in folder.glob("step-*")}
    return {int(step): named[step] for step in sorted(filter(str.isdecimal, named), key=int, reverse=True)}


def contents_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file but the manifest."""
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": _hash_of(path)}
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }


def remove_leftovers(folder: Path) -> None:
    """Remove what a process left that died while saving."""
    for leftover in (*folder.glob(f"{STAGED}*"), *folder.glob(f"{REMOVED}*")):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _prune(folder: Path, step: int) -> None:
    """Checkpoints newer than ``step`` were unreadable when the run was resumed."""
    kept = {step, max((other for other in steps_saved(folder) if other < step), default=step)}
    for other, path in steps_saved(folder).items():
        if other not in kept:
            path.rename(folder / f"{REMOVED}{path.name}")
    remove_leftovers(folder)


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
