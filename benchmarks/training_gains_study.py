"""What each option that only changes training is worth: equal CPU seconds, several seeds.

python -m benchmarks.training_gains_study OUTPUT [--data FOLDER ...] [--config FILE.yaml] [--set a.b=c ...]
    [--model REF] [--teacher REF] [--seconds 240] [--seeds 0 1 2] [--rows base iou-aware ...]

Without ``--data``, on demo scenes of handwritten digits, written to OUTPUT/scenes. Every row of `ROWS` begins with the
same settings (``--config``, ``--set``, ``--model``; the rest is chosen as by ``condetr train``), in one thread. The CPU
seconds of a step are measured first, on `MEASURED` steps; the row then gets as many epochs as fit into ``--seconds``,
at least one. Backbone pretraining and evaluations, which are the same for all, do not count.
The table shows AP and AP50 on the validation split after the last epoch, their means and lowest to highest value over
the seeds, and the CPU seconds that were taken.

Each finished run is a file in OUTPUT/results: the same command again continues where it was stopped, and prints the
table of what there is. Run it on cores that are free: CPU seconds are of this process, but caches are shared.
"""

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from condetr.cli.commands.train import initial_model
from condetr.cli.settings.settings_tree import read_settings
from condetr.cli.settings.train_settings import TrainSettings
from condetr.data.demo.scene_folder import write_scenes
from condetr.files.atomic_write import write_json
from condetr.training.run.events import Evaluating, Event, Started, Stepped
from condetr.workflows.training import run

ROWS = {
    "base": (),
    "groups": ("query_groups=3",),
    "one-to-many": ("one_to_many=6",),
    "dense-aux": ("dense_aux=1.0",),
    "iou-aware": ("iou_aware=0.75", "weights.classes=1.0"),
    "teacher": (),  # with --teacher
}
WARM_UP, MEASURED = 3, 15  # steps
MANY = 1000  # epochs, more than are measured
SCENES = {"train": 400, "val": 100}


class MeasuredError(Exception):
    """Ends a run whose steps were measured."""


@dataclass
class Clock:
    """CPU seconds from the first step of a run to its evaluation; with ``measures``, of `MEASURED` steps, then it ends.

    Attributes:
        steps: of the whole run.
    """

    measures: bool = False
    steps: int = 0
    seconds: float = 0.0
    taken: int = 0
    begun: float = 0.0

    def __call__(self, event: Event) -> None:
        now = time.process_time()
        match event:
            case Started():
                self.steps, self.begun = event.steps, now
            case Evaluating():
                self.seconds = now - self.begun
            case Stepped() if self.measures:
                self.taken += 1
                if self.taken == WARM_UP:
                    self.begun = now
                if self.taken == WARM_UP + MEASURED:
                    self.seconds = now - self.begun
                    raise MeasuredError
            case _:
                pass


@dataclass(frozen=True)
class Study:
    output: Path
    config: Path | None
    overrides: tuple[str, ...]
    teacher: str | None
    seconds: float

    def settings(self, row: str, seed: int, epochs: int) -> TrainSettings:
        teacher = (f"teacher={self.teacher}",) if row == "teacher" else ()
        own = f"seed={seed}", f"epochs={epochs}", f"evaluate_every={epochs}", "workers=0", "device=cpu"
        return read_settings(TrainSettings, file=self.config, overrides=(*self.overrides, *ROWS[row], *teacher, *own))

    def train(self, data: Path, settings: TrainSettings, folder: Path, clock: Clock) -> Mapping[str, float]:
        shutil.rmtree(folder, ignore_errors=True)  # of a study that was stopped

        initial = partial(initial_model, settings=settings)
        return run(data, settings.named_training(), initial, output=folder, device="cpu", say=clock).metrics

    def epochs(self, data: Path, row: str) -> int:
        """As many as fit into the seconds; measured once, so that all seeds get the same."""
        file = self.output / "results" / f"{data.name}-{row}-epochs.json"
        if not file.exists():
            folder, clock = self.output / "runs/measured", Clock(measures=True)
            with suppress(MeasuredError):
                self.train(data, self.settings(row, 0, MANY), folder, clock)
            shutil.rmtree(folder)
            of_epoch = clock.seconds / MEASURED * clock.steps / MANY
            write_json({"seconds_of_epoch": of_epoch, "epochs": max(1, int(self.seconds / of_epoch))}, file)
        return int(json.loads(file.read_text())["epochs"])

    def result(self, data: Path, row: str, seed: int) -> dict[str, Any]:
        file = self.output / "results" / f"{data.name}-{row}-{seed}.json"
        if not file.exists():
            epochs, clock, folder = self.epochs(data, row), Clock(), self.output / f"runs/{data.name}-{row}-{seed}"
            metrics = self.train(data, self.settings(row, seed, epochs), folder, clock)
            write_json({"epochs": epochs, "seconds": clock.seconds, "ap": metrics["ap"], "ap50": metrics["ap50"]}, file)
            shutil.rmtree(folder)
        return dict(json.loads(file.read_text()))


def table(results: Mapping[tuple[str, str], Sequence[Mapping[str, float]]]) -> str:
    """Markdown; one line a data set and row."""
    lines = ["| data | row | seeds | epochs | CPU s | AP | AP50 |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for (data, row), of_seeds in results.items():
        spread = []
        for metric in ("ap", "ap50"):
            values = [result[metric] for result in of_seeds]
            spread.append(f"{fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        seconds = fmean(result["seconds"] for result in of_seeds)
        lines.append(
            f"| {data} | {row} | {len(of_seeds)} | {of_seeds[0]['epochs']} | {seconds:.0f} | {' | '.join(spread)} |"
        )
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, nargs="+")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--model")
    parser.add_argument("--teacher")
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    given = parser.parse_args(words)
    if "teacher" in given.rows and given.teacher is None:
        given.rows.remove("teacher")
        print("without --teacher there is no row of it")
    torch.set_num_threads(1)
    data = given.data or [given.output / "scenes"]
    if len({folder.name for folder in data}) < len(data):
        parser.error("two data sets have one name, and their results would, too")
    (given.output / "results").mkdir(parents=True, exist_ok=True)
    begun, now = given.output / "study.json", {name: str(value) for name, value in vars(given).items()}
    for name in ("seeds", "rows", "data", "output"):  # these may change
        del now[name]
    if begun.exists() and json.loads(begun.read_text()) != now:
        parser.error(f"{given.output} holds a study with other settings: {begun.read_text()}")
    write_json(now, begun)
    if given.data is None and not data[0].exists():
        write_scenes(data[0], **SCENES)
    overrides = *given.overrides, *([f"model={given.model}"] if given.model else [])
    study = Study(given.output, given.config, overrides, given.teacher, given.seconds)
    results: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for seed in given.seeds:  # all rows of a seed before the next, so that a table of equal seeds comes early
        for folder in data:
            for row in given.rows:
                results.setdefault((folder.name, row), []).append(study.result(folder, row, seed))
        print(table(results), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
