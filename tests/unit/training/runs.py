"""A whole training in a second or two, here or in a process of its own.

python -m tests.unit.training.runs FOLDER SCENES [--resume] [--die-in-save STEP] [--die-measuring] [--set JSON]
"""

import argparse
import hashlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from condetr.core.distributed import current_shard
from condetr.core.errors import CondetrError
from condetr.core.launcher import is_first_process
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.training.initial_model import InitialModel
from condetr.training.run import checkpointing
from condetr.training.run.events import Event, EventHandler, Stepped, ignore_events
from condetr.training.run.run_folder import claimed
from condetr.training.settings import TrainingSettings
from condetr.training.train import Trained, train
from tests.unit.training.networks import tiny_detector
from tests.unit.training.scenes import write_scenes

PREPROCESSING = Preprocessing(size=Edges(64, 64))
# Everything that has a state or random numbers: dropout, augmentation, average, groups, accumulation, warm-up.
FULL = {
    "epochs": 3,
    "batch": 2,
    "accumulate": 2,
    "lr": 1e-3,
    "lr_backbone": 1e-3,
    "schedule": "cosine",
    "warmup": 3,
    "ema": 0.9,
    "query_groups": 2,
    "augment": "strong",
    "freeze": (),
    "workers": 0,
}


def small_run(
    folder,
    scenes,
    *,
    resume=False,
    say=ignore_events,
    evaluate=None,
    validation=None,
    detector=None,
    dropout=0.1,
    augmentation=None,
    callbacks=(),
    is_trained=False,
    **settings,
) -> Trained:
    """``scenes`` is a data set, or a folder to write one into: seven images, three without objects.

    It is also the one to evaluate on. Without evaluations, there are no sheets of predictions but those of
    ``validation``: they take longer than the steps.
    """
    dataset = write_scenes(scenes, 7, empty=range(3)) if isinstance(scenes, Path) else scenes
    torch.manual_seed(0)
    initial = InitialModel(
        tiny_detector(dropout=dropout) if detector is None else detector, PREPROCESSING, is_trained=is_trained
    )
    with claimed(folder, resume=resume, is_first=is_first_process()) as run:
        return train(
            initial,
            dataset,
            TrainingSettings(**(FULL | {name: tuple(x) if isinstance(x, list) else x for name, x in settings.items()})),
            run,
            validation=dataset if evaluate else validation,
            evaluate=evaluate,
            device="cpu",
            augmentation=augmentation,
            callbacks=callbacks,
            say=say,
        )


def state_of(folder: Path) -> str:
    """Changes with every bit of the newest checkpoint: weights, moments, average."""
    newest = max((folder / "checkpoints").glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))
    files = sorted(newest.glob("*.safetensors"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


class StoppedError(Exception):
    """What `stopping_at` raises."""


def stopping_at(step: int) -> EventHandler:
    """Ends a run as a crash would, after this step."""

    def say(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            raise StoppedError

    return say


def die_in_save(step: int) -> None:
    """When the weights are written, and the manifest is not."""
    write = checkpointing.write_json

    def deadly(content: object, path: Path) -> None:
        if path.parent.name.endswith(f"step-{step}") and path.name == checkpointing.MANIFEST:
            os.kill(os.getpid(), signal.SIGKILL)
        write(content, path)

    checkpointing.write_json = deadly


def die_measuring(detector: object, dataset: object) -> Mapping[str, float]:
    """All processes but the first, which waits for what they found."""
    if not is_first_process():
        os.kill(os.getpid(), signal.SIGKILL)
    return {"ap": sum(current_shard().gather(0.0))}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--die-in-save", type=int, metavar="STEP")
    parser.add_argument("--die-measuring", action="store_true")
    parser.add_argument("--set", type=json.loads, default={})
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.die_in_save is not None and is_first_process():
        die_in_save(given.die_in_save)
    try:
        small_run(
            given.folder,
            given.scenes,
            resume=given.resume,
            evaluate=die_measuring if given.die_measuring else None,
            say=lambda event: print(event, flush=True),  # noqa: T201
            **given.set,
        )
    except CondetrError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
