"""The output folder of a run: never an image folder, never over foreign files, never half a result."""

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
from condetr.images.drawing.crops import crop_files
from condetr.prediction.results_log import entries_of
from condetr.prediction.tables import COCO_PANOPTIC, TABLES

If: TypeAlias = Literal["refuse", "overwrite", "resume"]
RUN, PREDICTIONS, ERRORS, CLASSES = "run.json", "predictions.jsonl", "errors.jsonl", "classes.txt"
PANOPTIC_PNGS = COCO_PANOPTIC.removesuffix(".json")  # the folder that COCO's tools expect
VIDEO, CROPS = "video", "crops"
SHARD, SHARDS = "shard.json", "shards"  # what merging needs to know of a shard; the folder with those of all shards
PER_IMAGE = {"images": (".jpg", ".png"), "json": (".json",), "labels": (".txt",), PANOPTIC_PNGS: (".png",)}


def check_apart(folder: Path, inputs: Iterable[str]) -> None:
    """Refuse a folder that contains images of the run: they could be overwritten, or results predicted on.

    Raises:
        UsageError: names the first input inside the folder.
    """
    inside = _real(folder)
    for path in inputs:
        real = _real(path)
        if inside in (real, *real.parents):
            reason = "is the folder of the input, or contains it"
            raise UsageError(reason, source=folder, item=path, hint="give another --output")


def _real(path: str | Path) -> Path:
    """Without links; a link to itself stays, and fails when it is opened."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # not a valid file name
        return Path(path)


class Claim:
    """A folder locked against other runs until `release`, or the end of the process, however it ends.

    Attributes:
        missing: why there is no lock, on a file system without locks.
    """

    def __init__(self, folder: Path, lock: Lock, made: Sequence[Path]) -> None:
        self._folder, self._lock, self._made = folder, lock, made
        self.missing = lock.missing

    def release(self) -> None:
        """Unlock the folder; new folders of a run that wrote nothing are removed again."""
        self._lock.release(remove=True)
        remove_empty(self._made)

    def __enter__(self) -> "Claim":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claim(folder: Path, if_used: If) -> Claim:
    """Make the folder writable before costly work begins, and lock it against other runs.

    Raises:
        UsageError: it is not empty and ``if_used`` refuses that, was not written by condetr predict, cannot be
            written, or another process is predicting in it.
    """
    lock: Lock | None = None
    made: list[Path] = []
    try:
        with preparing(folder):
            made = missing_folders(folder)
            if not made and not (folder / RUN).is_file():
                _check_unused(folder, if_used)  # before a lock file is created in a foreign folder
            folder.mkdir(parents=True, exist_ok=True)
            lock = Lock(folder, "predicting")
            _check_unused(folder, if_used)
            remove_unfinished(folder)
            for kind in (*PER_IMAGE, CROPS):
                for below in (folder / kind).rglob(f".*{UNNAMED}"):
                    below.unlink(missing_ok=True)
    except CondetrError:
        if lock is not None:
            lock.release(remove=True)
        remove_empty(made)
        raise
    return Claim(folder, lock, made)


def _check_unused(folder: Path, if_used: If) -> None:
    """Lock and temporary files of a killed run do not count."""
    used = [name for name in os.listdir(folder) if name != LOCK and not name.endswith(UNNAMED)]  # noqa: PTH208
    if used and if_used == "refuse":
        reason, hint = "exists and is not an empty folder", "give another --output, or --resume or --overwrite it"
        raise UsageError(reason, source=folder, hint=hint)
    if used and not (folder / RUN).is_file():
        reason = "was not written by condetr predict, so nothing is written to it"
        raise UsageError(reason, source=folder, hint="give another --output")


def check_same(folder: Path, run: Mapping[str, Any]) -> None:
    """Check that a resumed run has the settings that it began with.

    Raises:
        UsageError: names the setting that differs.
    """
    earlier = read_run(folder / RUN) if (folder / RUN).exists() else run
    for name in run:
        if earlier.get(name) != run[name]:
            reason = f"is {run[name]!r}, but the run in this folder began with {earlier.get(name)!r}"
            raise UsageError(reason, source=folder, item=name, hint="give another --output, or --overwrite it")


def read_run(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot be read: {error}", source=file, hint="give another --output") from error
    if not isinstance(content, dict):
        raise UsageError("is not a JSON object", source=file, hint="give another --output")
    return content


def clear(folder: Path) -> None:
    """Remove the files of the earlier run, and nothing else."""
    for entry in entries_of(folder / PREDICTIONS):
        name = PurePath(str(entry.get("output", "")))
        if name.is_absolute() or ".." in name.parts or not name.parts:
            continue
        for kind, endings in PER_IMAGE.items():
            for ending in endings:
                (folder / kind / f"{name}{ending}").unlink(missing_ok=True)
        for crop in crop_files(str(name), _classes_of(entry)):
            (folder / CROPS / crop).unlink(missing_ok=True)
        if "frame" in entry:  # of a video: its folder has the name of the video
            (folder / VIDEO / f"{name.parent}.mp4").unlink(missing_ok=True)
    for file in (PREDICTIONS, ERRORS, CLASSES, SHARD, *TABLES):
        (folder / file).unlink(missing_ok=True)
    for kind in (*PER_IMAGE, VIDEO, CROPS):
        for below in sorted((folder / kind).rglob("*"), reverse=True):
            with suppress(OSError):  # contains something else
                below.rmdir()
        with suppress(OSError):
            (folder / kind).rmdir()
    (folder / RUN).unlink(missing_ok=True)  # last: without it the folder would count as foreign


def _classes_of(entry: Mapping[str, Any]) -> list[str]:
    """Of the detections of a journal entry, which may have been changed by hand."""
    rows = entry.get("detections")
    return [str(row.get("name")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
