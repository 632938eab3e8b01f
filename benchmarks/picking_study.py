"""What `condetr data pick` is worth: AP after labeling picked images against as many random ones, on scenes of digits.

python -m benchmarks.picking_study OUTPUT [--pool 2000] [--test 300] [--first 50] [--count 200] [--epochs 30]
    [--seeds 0 1 2] [--model condetr/nano]

For each seed, a model is trained on ``--first`` random scenes of the pool. It picks ``--count`` of the others; as many
are drawn at random. Two models are then trained from ``--model``, each on the first scenes and on one of the two
choices, with the same settings, and measured on the scenes of ``--test``. A row shows both AP, and what picking gained.

Each finished training is a file in OUTPUT/results: the same command again continues where it was stopped.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

import condetr
from condetr.data.convert import convert
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.discovery.formats import read_splits
from condetr.data.image_transfer import LINK
from condetr.data.records import Dataset
from condetr.files.atomic_write import write_json

SCENES_SEED = 101
SETTINGS: dict[str, Any] = {  # named, so that none is chosen by what was picked
    "batch": 8,
    "lr": 7e-4,
    "lr_backbone": 2e-4,
    "schedule": "linear",
    "warmup": "auto",
    "ema": "auto",
    "freeze": (),
    "augment": "light",
    "image_size": 96,
    "max_size": 96,
    "workers": 0,
}


def demo_scenes(folder: Path, pool: int, test: int) -> dict[str, Dataset]:
    """Scenes of handwritten digits, written once; those of the test are in other handwriting."""
    if not folder.exists():
        write_scenes(folder, train=pool, val=test, seed=SCENES_SEED)
    return read_splits(folder)


class Study:
    def __init__(self, output: Path, pool: Dataset, test: Dataset, options: argparse.Namespace) -> None:
        self._output, self._pool, self._test, self._options = output, pool, test, options

    def run(self, seed: int) -> dict[str, Any]:
        """AP of both choices; the trainings are those of one seed."""
        order = np.random.default_rng([seed, 1]).permutation(len(self._pool)).tolist()
        first, others = order[: self._options.first], order[self._options.first :]
        picked = self._picked(first, others, seed)
        drawn = others[: self._options.count]
        return {
            "seed": seed,
            "first": self._ap(f"first-{seed}", first, seed),
            "picked": self._ap(f"picked-{seed}", first + picked, seed),
            "random": self._ap(f"random-{seed}", first + drawn, seed),
        }

    def _picked(self, first: Sequence[int], others: Sequence[int], seed: int) -> list[int]:
        file = self._output / "results" / f"picks-{seed}.json"
        if not file.exists():
            position = {str(self._pool[number].path): number for number in others}
            model = condetr.load(self._trained(f"first-{seed}", first, seed))
            found = model.pick(list(position), count=self._options.count)
            write_json({"picked": [position[each.source] for each in found]}, file)
        return list(json.loads(file.read_text())["picked"])

    def _trained(self, name: str, positions: Sequence[int], seed: int) -> Path:
        run, data = self._output / "runs" / name, self._output / "data" / name
        trained = self._output / "results" / f"{name}-trained.json"
        if not trained.exists():
            for folder in (run, data):
                shutil.rmtree(folder, ignore_errors=True)  # of a study that was stopped
            convert({"train": self._pool.subset(sorted(positions))}, data, "coco", LINK)
            start = condetr.load(self._options.model, classes=list(self._pool.classes.names), device="cpu")
            epochs = self._options.epochs
            epoch = {"epochs": epochs, "evaluate_every": epochs}
            start.train(data, output=run, validation="none", seed=seed, **epoch, **SETTINGS)
            write_json({"images": len(positions), "epochs": epochs}, trained)
        return run / "last"

    def _ap(self, name: str, positions: Sequence[int], seed: int) -> float:
        file = self._output / "results" / f"{name}.json"
        if not file.exists():
            model = condetr.load(self._trained(name, positions, seed))
            report = model.evaluate(self._test, batch=8, metrics=["ap"])
            write_json({"ap": report.ap, "images": len(positions)}, file)
        return float(json.loads(file.read_text())["ap"])


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: a line a seed, and their mean."""
    lines = ["| seed | first images only | + random | + picked | gain |", "| --- | --- | --- | --- | --- |"]
    for row in [*rows, {"seed": "mean"} | {key: fmean(row[key] for row in rows) for key in rows[0] if key != "seed"}]:
        numbers = [row["first"], row["random"], row["picked"], row["picked"] - row["random"]]
        lines.append(f"| {row['seed']} | {' | '.join(f'{number:.4f}' for number in numbers)} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    for name, default in (("pool", 2000), ("test", 300), ("first", 50), ("count", 200), ("epochs", 30)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--model", default="condetr/nano")
    options = parser.parse_args(words)
    (options.output / "results").mkdir(parents=True, exist_ok=True)
    begun, now = options.output / "study.json", {name: str(value) for name, value in vars(options).items()}
    for name in ("seeds", "output"):  # these may change
        del now[name]
    if begun.exists() and json.loads(begun.read_text()) != now:
        parser.error(f"{options.output} holds a study with other settings: {begun.read_text()}")
    write_json(now, begun)
    scenes = demo_scenes(options.output / "scenes", options.pool, options.test)
    study, rows = Study(options.output, scenes["train"], scenes["val"], options), list[dict[str, Any]]()
    for seed in options.seeds:
        rows.append(study.run(seed))
        print(table(rows), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
