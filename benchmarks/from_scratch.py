"""Networks with random weights learn to read digits: condetr's recipe against transformers' own model and Trainer.

python -m benchmarks.from_scratch [--scenes FOLDER] [--pictures 3000] [--pretraining 500] [--seeds 0 1 2]
    [--peer-seeds 0] [--only overfitting|"two epochs"] [--json FILE]

The architecture is that of the recipe digits. Once it overfits on 8 scenes, in 100 steps, once it sees each of
``--pictures`` scenes twice and is measured on 500 others, of other handwriting. The steps in which condetr's backbone
learns to name come before that; transformers' model takes as many steps more, so that it sees as many images. Both
are measured by condetr. CPU seconds are those of a training in one thread, with the reading of its images.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.interleave import machine
from benchmarks.peer_training import NOTHING, OUR_STEPS, train_peer
from condetr.bundled import RECIPES
from condetr.checkpoints.loading import load
from condetr.cli.settings.settings_tree import read_settings
from condetr.cli.settings.train_settings import TrainSettings
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.discovery.formats import read_dataset
from condetr.data.records import Dataset
from condetr.evaluation.evaluate import evaluate_detector
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.model.detector import ConditionalDetr
from condetr.training.initial_model import InitialModel
from condetr.training.run.run_folder import claimed
from condetr.training.train import train

RECIPE = RECIPES["digits"]
BATCH, SIDE = 8, 96
OVERFIT, PRETRAINING, STEPS = 8, 100, 100
PEERS = {"transformers, as it comes": NOTHING, "transformers, our rates, all layers": OUR_STEPS}
Row = dict[str, str | int | float]


@dataclass(frozen=True)
class Lesson:
    """What is learned; ``told`` changes the recipe."""

    name: str
    dataset: Dataset
    held_out: Dataset
    epochs: int
    pretraining: int  # steps of the backbone
    told: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        return self.pretraining + self.epochs * len(self.dataset) // BATCH

    def settings(self, seed: int) -> TrainSettings:
        overrides = (
            f"pretrain_backbone={self.pretraining}",
            f"epochs={self.epochs}",
            f"evaluate_every={self.epochs}",
            f"seed={seed}",
            "workers=0",
        )
        return read_settings(TrainSettings, file=RECIPE, overrides=(*overrides, *self.told))


def train_ours(lesson: Lesson, seed: int, folder: Path) -> ConditionalDetr:
    settings = lesson.settings(seed)
    torch.manual_seed(seed)
    config = settings.network.with_classes(len(lesson.dataset.classes))
    initial = InitialModel.from_config(config, task="detect", origin={})
    with claimed(folder) as run:
        return load(train(initial, lesson.dataset, settings.training(), run, device="cpu").best).detector


def measured(who: str, lesson: Lesson, seed: int, train: Callable[[], ConditionalDetr]) -> Row:
    start = time.process_time()
    network = train()
    seconds = time.process_time() - start
    looked = Preprocessing(size=Edges(SIDE, SIDE))
    labels = dict(enumerate(lesson.held_out.classes.names))
    report = evaluate_detector(network, lesson.held_out, looked, labels, batch=BATCH, device="cpu", metrics=["ap"])
    row: Row = {"who": who, "lesson": lesson.name, "seed": seed, "steps": lesson.steps, "cpu_s": round(seconds)}
    row |= {"ap": round(report.ap, 3), "ap50": round(report.ap50, 3)}
    print(json.dumps(row), flush=True)
    return row


def rows_of(lesson: Lesson, seeds: list[int], peer_seeds: list[int], folder: Path) -> list[Row]:
    rows = []
    for seed in seeds:
        run = folder / f"{lesson.name} {seed}"
        rows.append(measured("condetr", lesson, seed, partial(train_ours, lesson, seed, run)))
    config = lesson.settings(0).network.with_classes(len(lesson.dataset.classes))
    for who, told in PEERS.items():
        for seed in peer_seeds:
            train = partial(train_peer, lesson.dataset, config, steps=lesson.steps, batch=BATCH, seed=seed, told=told)
            rows.append(measured(who, lesson, seed, train))
    return rows


def lessons(scenes: Path, images: int, pretraining: int) -> list[Lesson]:
    if not scenes.is_dir():
        write_scenes(scenes, train=images)
    train, val = read_dataset(scenes, "train").subset(range(images)), read_dataset(scenes, "val")
    few = train.subset(range(OVERFIT))
    # The recipe averages over five hundred steps; a hundred are too few for that, and are made the most of.
    brief = ("ema=0", "warmup=5", "lr=2e-3", "decay_at=0.5")
    return [
        Lesson(f"{OVERFIT} scenes, overfitting", few, few, STEPS, PRETRAINING, brief),
        Lesson("two epochs", train, val, 2, pretraining, ("ema=0.99",)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, help="of `condetr data demo`; else they are made")
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--pretraining", type=int, default=500, help="backbone pretraining steps before the two epochs")
    parser.add_argument("--only", choices=["overfitting", "two epochs"], help="leave the other lesson out")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--peer-seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(", ".join(f"{key} {said}" for key, said in machine().items()), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = [
            row
            for lesson in lessons(options.scenes or folder / "scenes", options.images, options.pretraining)
            if options.only is None or options.only in lesson.name
            for row in rows_of(lesson, options.seeds, options.peer_seeds, folder)
        ]
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
