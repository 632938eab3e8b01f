"""Many small images through `condetr predict`: images and CPU seconds, memory on the way, and the time to close.

    python -m benchmarks.prediction_line FOLDER [--images 20000] [--save jsonl,csv,coco] [--threads 2]
    python -m benchmarks.prediction_line FOLDER --chunk 2000 --chunks 3 --against CHECKOUT

JPEG files of 64 to 160 pixels a side are made once, in FOLDER. The first form predicts all of them in one run. The
second compares with another checkout, in turns: each runs on the same chunks of images.

The process is watched from outside: lines of predictions.jsonl, CPU seconds of the kernel's accounting and anonymous
memory (RssAnon), twenty times a second. What it costs to start is left out: rates are those between the first lines
that are seen and the last. ``close_s`` is the time from the last but one group of lines, after which up to 32 images
are still predicted, to the end of the process; ``close_cpu_s`` is what it computes meanwhile.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

PROJECT = Path(__file__).parents[1]
SIDES = (64, 160)
TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    seconds: float
    lines: int
    cpu: float
    megabytes: float


@dataclass
class Run:
    samples: list[Sample]
    seconds: float
    status: int

    def numbers(self, images: int) -> dict[str, object]:
        working = [sample for sample in self.samples if sample.lines]
        first, last = working[0], working[-1]
        unfinished = [sample for sample in self.samples if sample.lines < images]
        final = max(sample.lines for sample in unfinished)
        before_last = next(sample for sample in unfinished if sample.lines == final)
        count = last.lines - first.lines
        return {
            "status": self.status,
            "images_per_s": round(count / (last.seconds - first.seconds), 1),
            "cpu_ms_per_image": round(1000 * (last.cpu - first.cpu) / count, 2),
            "start_s": round(first.seconds, 1),
            "memory_mb": [self._megabytes(images * share / 4) for share in (1, 2, 3, 4)],
            "close_s": round(self.seconds - before_last.seconds, 2),
            "close_cpu_s": round(self.samples[-1].cpu - before_last.cpu, 2),
            "load": round(os.getloadavg()[0], 1),
        }

    def _megabytes(self, lines: float) -> float:
        return next((each.megabytes for each in self.samples if each.lines >= lines), self.samples[-1].megabytes)


def make(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:06d}.jpg" for number in range(count)]
    for path in paths:
        width, height = (int(side) for side in rng.integers(SIDES[0], SIDES[1] + 1, 2))
        grain = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        if not path.exists():
            Image.fromarray(grain).resize((width, height)).save(path, quality=80)
    return paths


def predicted(checkout: Path, images: Path, output: Path, options: argparse.Namespace) -> Run:
    shutil.rmtree(output, ignore_errors=True)
    words = ["predict", str(images), "--model", options.model, "--output", str(output), "--save", options.save]
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": str(options.threads)}
    began, samples = time.monotonic(), [Sample(0, 0, 0, 0)]
    command = [sys.executable, "-m", "condetr", *words, "--quiet"]
    process = subprocess.Popen(command, cwd=output.parent, env=environment, stdout=subprocess.DEVNULL)
    read, lines = 0, 0
    while process.poll() is None:
        if (journal := output / "predictions.jsonl").exists():
            with journal.open("rb") as file:
                file.seek(read)
                new = file.read()
            read, lines = read + len(new), lines + new.count(b"\n")
        try:
            cpu, megabytes = _cpu_seconds(process.pid), _anonymous_mb(process.pid)
        except (OSError, IndexError):  # it has just ended
            break
        samples.append(Sample(time.monotonic() - began, lines, cpu, megabytes or samples[-1].megabytes))
        time.sleep(0.05)
    status = process.wait()
    return Run(samples, time.monotonic() - began, status)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _anonymous_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((round(int(line.split()[1]) * 1.024e-3, 1) for line in lines if line.startswith("RssAnon")), 0.0)


def compared(folder: Path, paths: list[Path], options: argparse.Namespace) -> None:
    checkouts = {"this": PROJECT, "other": options.against}
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in checkouts}
    for number in range(options.chunks):
        part = folder / f"chunk-{options.chunk}-{number}"
        part.mkdir(exist_ok=True)
        for path in paths[number * options.chunk : (number + 1) * options.chunk]:
            if not (part / path.name).exists():
                os.link(path, part / path.name)
        for name, checkout in list(checkouts.items())[:: 1 if number % 2 else -1]:
            run = predicted(checkout, part, folder / f"output-{name}", options)
            rows[name].append(run.numbers(options.chunk))
            print(f"{name}: {json.dumps(rows[name][-1])}", flush=True)
        one, other = (Path(folder / f"output-{name}" / "predictions.jsonl").read_text() for name in checkouts)
        print(f"chunk {number}: the same lines: {one == other}", flush=True)
    for key in ("images_per_s", "cpu_ms_per_image"):
        this, other = (statistics.median(float(str(row[key])) for row in rows[name]) for name in checkouts)
        print(f"{key}: this {this}, other {other}, ratio {this / other:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, default in (("images", 20_000), ("chunk", 2_000), ("chunks", 3), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--model", default="condetr/digits")
    parser.add_argument("--save", default="jsonl")
    parser.add_argument("--against", type=Path, help="another checkout of condetr")
    options = parser.parse_args()
    folder = options.folder.absolute()
    if options.against is not None:
        compared(folder, make(folder / "images", options.chunk * options.chunks), options)
        return
    images = folder / f"all-{options.images}"
    make(images, options.images)
    print(json.dumps(predicted(PROJECT, images, folder / "output", options).numbers(options.images)))


if __name__ == "__main__":
    main()
