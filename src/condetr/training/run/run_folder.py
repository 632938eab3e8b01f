"""The folder of a run, and what is written into it once, at its start."""

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
FOREIGN = (".pt", ".pth", ".bin", ".pkl", ".metadata", ".distcp")  # how other trainers store their state


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where everything of a run lies; `claimed` opens it.

    Attributes:
        resumes: whether an earlier run goes on.
        notes: what somebody should hear about it.
    """

    path: Path
    resumes: bool = False
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
        """What `describe` wrote; nothing where that is gone or cannot be read."""
        try:
            said = yaml.safe_load((self.path / CONFIG).read_text(encoding="utf-8"))
        except Exception:  # PyYAML raises whatever its parts do: KeyError, AttributeError, ...
            return {}
        return said if isinstance(said, dict) else {}

    def describe(
        self, settings: Mapping[str, Any], command: str, device: str, data_report: Mapping[str, Any], labels: Any
    ) -> None:
        """Write what the run is, for people and for `--config`, which reads all that ``settings`` says.

        Raises:
            StorageError: it cannot be written.
        """
        self.write(CONFIG, yaml.safe_dump(dict(settings), sort_keys=False))
        self.write("command.txt", f"{command}\n")
        self.write("environment.json", _json(environment(device)))
        self.write("data_report.json", _json(data_report))
        self.write("labels.json", _json(labels))

    def write(self, name: str, text: str) -> None:
        with writing_to(self.path / name, hint="remove it, or check the free space"):
            (self.path / name).write_text(text, encoding="utf-8")


@contextmanager
def claimed(path: Path, *, resume: bool = False, is_first: bool = True) -> Iterator[RunFolder]:
    """A run folder that no other run writes to until the end of the context; to be opened before anything expensive.

    What was made for it is removed again if nothing comes to be written.

    Args:
        path: made if needed.
        resume: go on with the run that is there.
        is_first: whether this process writes; others of the same run only know the path.

    Raises:
        UsageError: it cannot be written, holds a run that is not to be resumed, or somebody trains there.
    """
    if not is_first:
        yield RunFolder(path, resumes=resume)
        return
    if resume and not (path / "checkpoints").is_dir():
        raise _nothing_to_resume(path)
    if not resume and any(path.glob("checkpoints/step-*")):
        raise UsageError(
            "holds a run already", source=path, hint="--resume goes on with it; or choose another --output"
        )
    there = set(path.glob("*"))
    made = missing_folders(path / "checkpoints")
    with preparing(path, item="output"):
        make_writable(path)
    lock = Lock(path, "training")
    try:
        folder = RunFolder(path, resume, (lock.missing,) if lock.missing else ())
        _tidy(folder)
        yield folder
    finally:
        wrote_nothing = set(path.glob("*")) <= {*there, path / "checkpoints", path / LOCK}
        lock.release(remove=wrote_nothing and path / LOCK not in there)
        if wrote_nothing:
            remove_empty(made)


def _tidy(folder: RunFolder) -> None:
    """Remove what a process that died left half done."""
    try:
        folder.checkpoints.mkdir(exist_ok=True)
        remove_leftovers(folder.checkpoints)
        for models in (folder.last, folder.best):
            remove_unfinished(models)
    except OSError as error:
        reason = f"what a run that died left there cannot be removed: {error.strerror or error}"
        raise StorageError(reason, source=error.filename or folder.path, hint="remove it") from error


def _nothing_to_resume(path: Path) -> UsageError:
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name.endswith(FOREIGN)) if path.is_dir() else []
    if not foreign:
        return UsageError("there is no run to resume here", source=path, hint="leave --resume out to begin one")
    reason = f"there is no run of condetr here; {', '.join(foreign)} of another trainer can run code and is never read"
    return UsageError(reason, source=path, hint=f"--model {path} begins a new run with its weights")


def environment(device: str) -> dict[str, Any]:
    """What a run depends on beyond its settings."""
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
