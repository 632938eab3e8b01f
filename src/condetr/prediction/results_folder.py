"""The folder that a run writes to: never an image folder, never over another's files, never half a result."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias

from condetr.core.errors import CondetrError, UsageError
from condetr.files.atomic_write import UNNAMED, remove_unfinished
from condetr.files.folder_lock import LOCK, Lock
from condetr.files.new_folder import missing_folders, preparing, remove_empty
from condetr.prediction.results_log import entries_of
from condetr.prediction.tables import COCO_IMAGES, COCO_PANOPTIC, COCO_RESULTS, CSV

If: TypeAlias = Literal["refuse", "overwrite", "resume"]
RUN, PREDICTIONS, ERRORS, CLASSES = "run.json", "predictions.jsonl", "errors.jsonl", "classes.txt"
PANOPTIC_PNGS = COCO_PANOPTIC.removesuffix(".json")  # where COCO's tools look for them
VIDEO = "video"
PER_IMAGE = {"images": (".jpg", ".png"), "json": (".json",), "labels": (".txt",), PANOPTIC_PNGS: (".png",)}


def check_apart(folder: Path, inputs: Iterable[str]) -> None:
    """Refuse a folder that holds images of the run: they could be overwritten, or predicted on again.

    Raises:
        UsageError: names the first path that is, or lies, inside.
    """
    inside = _real(folder)
    for path in inputs:
        real = _real(path)
        if inside in (real, *real.parents):
            reason = "is the folder of the input, or holds it"
            raise UsageError(reason, source=folder, item=path, hint="give another --output")


def _real(path: str | Path) -> Path:
    """Without links; one that leads to itself is left as it is, as opening it will tell."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # no name that a file can have
        return Path(path)


class Claim:
    """A folder that no other run writes to until `release`, or the end of the process, however it ends.

    Attributes:
        missing: why other runs are not kept out, on a file system that knows no locks.
    """

    def __init__(self, folder: Path, lock: Lock, made: Sequence[Path]) -> None:
        self._folder, self._lock, self._made = folder, lock, made
        self.missing = lock.missing

    def release(self) -> None:
        """Let others in; what was made for a run that wrote nothing is removed again."""
        self._lock.release(remove=True)
        remove_empty(self._made)

    def __enter__(self) -> "Claim":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claim(folder: Path, if_used: If) -> Claim:
    """Make the folder ready to be written to, before anything costly begins, and keep other runs out of it.

    Raises:
        UsageError: it is used and may not be, was not written by condetr predict, cannot be written, or another
            process is predicting in it.
    """
    lock: Lock | None = None
    made: list[Path] = []
    try:
        with preparing(folder):
            made = missing_folders(folder)
            if not made and not (folder / RUN).is_file():
                _check_unused(folder, if_used)  # before a file of ours is in somebody's folder
            folder.mkdir(parents=True, exist_ok=True)
            lock = Lock(folder, "predicting")
            _check_unused(folder, if_used)
            remove_unfinished(folder)
            for kind in PER_IMAGE:
                for below in (folder / kind).rglob(f".*{UNNAMED}"):
                    below.unlink(missing_ok=True)
    except CondetrError:
        if lock is not None:
            lock.release(remove=True)
        remove_empty(made)
        raise
    return Claim(folder, lock, made)


def _check_unused(folder: Path, if_used: If) -> None:
    """What a killed run left before it wrote anything is nothing."""
    used = [name for name in os.listdir(folder) if name != LOCK and not name.endswith(UNNAMED)]  # noqa: PTH208
    if used and if_used == "refuse":
        reason, hint = "exists and is not an empty folder", "give another --output, or --resume or --overwrite it"
        raise UsageError(reason, source=folder, hint=hint)
    if used and not (folder / RUN).is_file():
        reason = "was not written by condetr predict, so it is left alone"
        raise UsageError(reason, source=folder, hint="give another --output")


def check_same(folder: Path, run: Mapping[str, Any]) -> None:
    """A run goes on only with what it was begun with.

    Raises:
        UsageError: names the setting that differs.
    """
    begun = _read(folder / RUN) if (folder / RUN).exists() else run
    for name in run:
        if begun.get(name) != run[name]:
            reason = f"is {run[name]!r}, but this folder was begun with {begun.get(name)!r}"
            raise UsageError(reason, source=folder, item=name, hint="give another --output, or --overwrite it")


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot be read: {error}", source=file, hint="give another --output") from error
    if not isinstance(content, dict):
        raise UsageError("is no JSON object", source=file, hint="give another --output")
    return content


def clear(folder: Path) -> None:
    """Remove what the earlier run wrote, and nothing else."""
    for entry in entries_of(folder / PREDICTIONS):
        name = PurePath(str(entry.get("output", "")))
        if name.is_absolute() or ".." in name.parts or not name.parts:
            continue
        for kind, endings in PER_IMAGE.items():
            for ending in endings:
                (folder / kind / f"{name}{ending}").unlink(missing_ok=True)
        if "frame" in entry:  # of a video, whose name its folder has
            (folder / VIDEO / f"{name.parent}.mp4").unlink(missing_ok=True)
    for file in (PREDICTIONS, ERRORS, CLASSES, CSV, COCO_RESULTS, COCO_IMAGES, COCO_PANOPTIC):
        (folder / file).unlink(missing_ok=True)
    for kind in (*PER_IMAGE, VIDEO):
        for below in sorted((folder / kind).rglob("*"), reverse=True):
            with suppress(OSError):  # holds something else
                below.rmdir()
        with suppress(OSError):
            (folder / kind).rmdir()
    (folder / RUN).unlink(missing_ok=True)  # last: without it the rest would be somebody's
