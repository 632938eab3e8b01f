"""The folder of a run, and the files written once at its start."""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torchvision
import yaml

from condetr.core.errors import StorageError, UsageError
from condetr.files.atomic_write import remove_unfinished, writing_to
from condetr.files.folder_lock import LOCK, Lock
from condetr.files.new_folder import make_writable, missing_folders, preparing, remove_empty
from condetr.training.run.checkpointing import remove_leftovers

CONFIG = "config.yaml"
FOREIGN = (".pt", ".pth", ".bin", ".pkl", ".metadata", ".distcp")  # checkpoint files of other trainers


@dataclass(frozen=True, slots=True)
class RunFolder:
    """All files of a run; `claimed` opens it.

    Attributes:
        resumes: whether the run in it is resumed.
        command: how the run was started.
        notes: to report to the user.
    """

    path: Path
    resumes: bool = False
    command: str = ""
    notes: tuple[str, ...] = ()

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        return self.path / "last"

    @property
    def best(self) -> Path:
        return self.path / "best"

    def config(self) -> dict[str, Any]:
        """The config.yaml that `describe` wrote; empty where it is missing or cannot be read."""
        try:
            config = yaml.safe_load((self.path / CONFIG).read_text(encoding="utf-8"))
        except Exception:  # PyYAML raises whatever its parts do: KeyError, AttributeError, ...
            return {}
        return config if isinstance(config, dict) else {}

    def describe(self, config: Mapping[str, Any], device: str, data_report: Mapping[str, Any], labels: Any) -> None:
        """Write what the run depends on; `--config` reads the ``config`` back.

        Raises:
            StorageError: it cannot be written.
        """
        self.write(CONFIG, yaml.safe_dump(dict(config), sort_keys=False))
        self.write("command.txt", f"{self.command}\n")
        self.write("environment.json", _json(environment(device)))
        self.write("data_report.json", _json(data_report))
        self.write("labels.json", _json(labels))

    def write(self, name: str, text: str) -> None:
        with writing_to(self.path / name, hint="remove it, or check the free space"):
            (self.path / name).write_text(text, encoding="utf-8")


@contextmanager
def claimed(path: Path, *, resume: bool = False, is_first: bool = True, command: str = "") -> Iterator[RunFolder]:
    """A run folder that is locked against other runs until the end of the context; open it before expensive work.

    New folders are removed again if nothing was written.

    Args:
        path: made if needed.
        resume: continue the run that is there.
        is_first: whether this process writes; the others of a distributed run only get the path.
        command: how the run was started, for command.txt.

    Raises:
        UsageError: it cannot be written, holds a run that is not to be resumed, or another process trains there.
    """
    if not is_first:
        yield RunFolder(path, resume, command)
        return
    if resume and not (path / "checkpoints").is_dir():
        raise _nothing_to_resume(path)
    if not resume and any(path.glob("checkpoints/step-*")):
        raise UsageError("already holds a run", source=path, hint="--resume continues it; or choose another --output")
    existing = set(path.glob("*"))
    created = missing_folders(path / "checkpoints")
    with preparing(path, item="output"):
        make_writable(path)
    lock = Lock(path, "training")
    try:
        folder = RunFolder(path, resume, command, (lock.missing,) if lock.missing else ())
        _tidy(folder)
        yield folder
    finally:
        wrote_nothing = set(path.glob("*")) <= {*existing, path / "checkpoints", path / LOCK}
        lock.release(remove=wrote_nothing and path / LOCK not in existing)
        if wrote_nothing:
            remove_empty(created)


def _tidy(folder: RunFolder) -> None:
    """Remove the unfinished files of a process that died."""
    try:
        folder.checkpoints.mkdir(exist_ok=True)
        remove_leftovers(folder.checkpoints)
        for models in (folder.last, folder.best):
            remove_unfinished(models)
    except OSError as error:
        reason = f"an unfinished file of an earlier run cannot be removed: {error.strerror or error}"
        raise StorageError(reason, source=error.filename or folder.path, hint="remove it") from error


def _nothing_to_resume(path: Path) -> UsageError:
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name.endswith(FOREIGN)) if path.is_dir() else []
    if not foreign:
        return UsageError("has no run to resume", source=path, hint="leave --resume out to start one")
    reason = f"has no run of condetr; {', '.join(foreign)} of another trainer could run code and is never read"
    return UsageError(reason, source=path, hint=f"--model {path} starts a new run with its weights")


def environment(device: str) -> dict[str, Any]:
    """What a run depends on besides its settings."""
    return {
        "condetr": version("condetr"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "system": platform.platform(),
        "device": device,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
