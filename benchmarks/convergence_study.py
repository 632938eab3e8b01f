"""How many epochs DETR needs for what Conditional DETR learns in one: the headline of the paper, on demo scenes.

python -m benchmarks.convergence_study OUTPUT [--rows conditional detr ...] [--seeds 0 1 2] [--chart FILE.png]

All networks learn from the same feature maps, computed once by one pretrained and frozen backbone: they differ in
transformer and heads only. 1200 scenes, 16 in a step, a constant learning rate, in one thread. Each finished row of a
seed is a file in OUTPUT: the same command again continues, and prints the tables of what there is. The chart shows the
means.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import torch

from benchmarks.convergence.feature_maps import MappedScenes, mapped_scenes, network
from benchmarks.convergence.learning import Point, learning_curve
from benchmarks.convergence.networks import Conditional, Detr, Learner
from condetr.charts.axes import Line, lines_chart
from condetr.files.atomic_write import write_json
from condetr.model.config import DetectorConfig

LEVELS = 0.01, 0.02, 0.05, 0.1  # of AP
COLORS = (200, 30, 30), (190, 100, 0), (120, 50, 160), (30, 80, 200), (20, 130, 60), (0, 125, 135), (90, 90, 90)


@dataclass(frozen=True)
class Row:
    title: str
    build: Callable[[DetectorConfig], Learner]
    epochs: int = 20
    lr: float = 1e-3


ROWS: Mapping[str, Row] = {
    "conditional": Row("Conditional DETR", Conditional),
    "detr": Row("DETR (transformers)", Detr, epochs=80),
    "no-t": Row("spatial query of s alone, without T(f)", partial(Conditional, spatial="s")),
    "no-s": Row("spatial query of T(f) alone, without s", partial(Conditional, spatial="T")),
    "detr-focal": Row("DETR with the focal loss", partial(Detr, focal=True), epochs=80),
    "groups-3": Row("3 query groups", partial(Conditional, groups=3), epochs=10),
    "groups-5": Row("5 query groups", partial(Conditional, groups=5), epochs=10),
    "groups-11": Row("11 query groups", partial(Conditional, groups=11), epochs=10),
    "one-to-many": Row("one to many, 6 repetitions", partial(Conditional, one_to_many=6), epochs=10),
}


@dataclass(frozen=True)
class Curve:
    row: str
    seed: int
    points: tuple[Point, ...]

    def epochs_to(self, level: float) -> float | None:
        """Epochs until AP first reaches the level, between two evaluations on a straight line; None if it does not."""
        before = Point(0, 0.0, 0.0, 0.0, 0.0)
        for point in self.points:
            if point.ap >= level:
                share = (level - before.ap) / (point.ap - before.ap)
                return before.epoch + share * (point.epoch - before.epoch)
            before = point
        return None


def curve_of(row: str, seed: int, output: Path, splits: tuple[MappedScenes, MappedScenes]) -> Curve:
    """Read, or trained and written."""
    file = output / f"{row}-{seed}.json"
    if not file.exists():
        torch.manual_seed(seed)
        points = []
        recipe = ROWS[row]
        for point in learning_curve(recipe.build(network()), *splits, lr=recipe.lr, epochs=recipe.epochs, seed=seed):
            print(f"{row} seed {seed}: {point}", flush=True)
            points.append(asdict(point))
        write_json(points, file)
    return Curve(row, seed, tuple(Point(**point) for point in json.loads(file.read_text())))


def ap_table(curves: Mapping[str, Sequence[Curve]]) -> str:
    """AP (AP50) after some epochs, means over the seeds; CPU seconds of an epoch."""
    shown = (2, 4, 10, 20, 40, 80)
    lines = [
        f"| | seeds | CPU s an epoch | {' | '.join(f'epoch {epoch}' for epoch in shown)} |",
        f"| --- | --- | --- |{' --- |' * len(shown)}",
    ]
    for row, of_row in curves.items():
        cells = []
        for epoch in shown:
            points = [point for curve in of_row for point in curve.points if point.epoch == epoch]
            cells.append(f"{fmean(p.ap for p in points):.3f} ({fmean(p.ap50 for p in points):.3f})" if points else "")
        last = [curve.points[-1] for curve in of_row]
        seconds = fmean(point.seconds / point.epoch for point in last)
        lines.append(f"| {ROWS[row].title} | {len(of_row)} | {seconds:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def epochs_table(curves: Mapping[str, Sequence[Curve]]) -> str:
    """Epochs until each AP is reached: mean, lowest to highest over the seeds, and times those of the first row."""
    first = next(iter(curves))
    lines = [f"| AP | {' | '.join(f'{level:g}' for level in LEVELS)} |", f"| --- |{' --- |' * len(LEVELS)}"]
    for row, of_row in curves.items():
        cells = []
        for level in LEVELS:
            needed, of_first = ([curve.epochs_to(level) for curve in some] for some in (of_row, curves[first]))
            reached = [epochs for epochs in needed if epochs is not None]
            if len(reached) < len(needed):
                last = of_row[0].points[-1].epoch
                cells.append(f"not in {last} by {len(needed) - len(reached)} of {len(needed)}")
                continue
            text = f"{fmean(reached):.1f} ({min(reached):.1f} to {max(reached):.1f})"
            base = [epochs for epochs in of_first if epochs is not None]
            if row != first and len(base) == len(of_first):
                text += f", {fmean(reached) / fmean(base):.1f} times"
            cells.append(text)
        lines.append(f"| {ROWS[row].title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(curves: Mapping[str, Sequence[Curve]], file: Path) -> None:
    lines = []
    for (row, of_row), color in zip(curves.items(), COLORS, strict=False):
        columns = zip(*(curve.points for curve in of_row), strict=True)
        points = [(float(column[0].epoch), fmean(point.ap for point in column)) for column in columns]
        lines.append(Line(ROWS[row].title, [(0.0, 0.0), *points], color))
    lines_chart("AP on 300 scenes", lines, labels=("epochs", ""), extent=(640, 400), key_beside=True).save(file)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--chart", type=Path)
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    splits = mapped_scenes(options.output)
    curves: dict[str, list[Curve]] = {}
    for seed in options.seeds:  # all rows of a seed before the next, so that a table of equal seeds comes early
        for row in options.rows:
            curves.setdefault(row, []).append(curve_of(row, seed, options.output, splits))
        print(f"\n{ap_table(curves)}\n\n{epochs_table(curves)}\n", flush=True)
    if options.chart is not None:
        draw(curves, options.chart)


if __name__ == "__main__":
    main()
