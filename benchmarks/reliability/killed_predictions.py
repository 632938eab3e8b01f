"""Kill -9 of `predict`, then `--resume`: are the files those of a run that nobody disturbed?

python -m benchmarks.reliability.killed_predictions [--kills 30] [--seed 0]

Runs over 80 small images and a damaged file, with every output format, are killed at random times and at their n-th
fsync in turn, up to twice each, and resumed to the end without cleaning up. At each kill, every image with a whole line
in the journal must have all its files. In tables, the order of lines may differ. Thirty kills take about two minutes.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tests.tiny import LABELS, PREPROCESSING, tiny_detector

from condetr.checkpoints.saving import save
from condetr.cli.main import run

IMAGES, SOME_FAILED = 80, 4
WORDS = ["predict", "in", "--model", "model", "--threshold", "0.3", "--save", "images,json,yolo,csv,coco", "--quiet"]
TABLES = (".jsonl", ".csv")
FILES_OF = {"images": ".jpg", "json": ".json", "labels": ".txt"}


def predicting(*more: str, die_at_fsync: int | None = None) -> int:
    """The process."""
    child = os.fork()
    if child == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        fsync, calls = os.fsync, iter(range(1, 10**6))

        def counting(file: int) -> None:
            if next(calls) == die_at_fsync:
                os.kill(os.getpid(), signal.SIGKILL)
            fsync(file)

        os.fsync = counting
        os._exit(run([*WORDS, *more]))
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content_of(folder: Path) -> dict[str, object]:
    """By name; the lines of tables in any order, and nothing of what says when it was."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "run.json"
    }
    return {name: sorted(data.splitlines()) if name.endswith(TABLES) else data for name, data in files.items()}


def check_journal(folder: Path, expected: dict[str, object]) -> None:
    journal = folder / "predictions.jsonl"
    for line in journal.read_text().splitlines() if journal.is_file() else ():
        if line.endswith("}"):
            for kind, ending in FILES_OF.items():
                name = f"{kind}/{json.loads(line)['output']}{ending}"
                assert (folder / name).read_bytes() == expected[name], f"{name} is not whole at a kill"


def killed_and_resumed(folder: Path, chance: random.Random, span: float, *, in_fsync: bool) -> int:
    """How often it was killed before it came to its end."""
    kills, expected = 0, content_of(Path("whole"))
    while True:
        more = ["--resume"] if (folder / "run.json").is_file() else []
        again = kills < 2
        child = predicting(
            "--output", str(folder), *more, die_at_fsync=chance.randrange(1, 300) if again and in_fsync else None
        )
        if again and not in_fsync:
            time.sleep(chance.uniform(0, span))
            os.kill(child, signal.SIGKILL)  # if it ended before, it is still there to be waited for
        status = status_of(child)
        if status != -signal.SIGKILL:
            break
        kills += 1
        check_journal(folder, expected)
    assert status == SOME_FAILED, f"ended with {status}"
    found = content_of(folder)
    different = [name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)]
    assert not different, f"{', '.join(sorted(different))} differ"
    return kills


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="runs go on until so many were killed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chance, pixels = random.Random(options.seed), np.random.default_rng(options.seed)
    kills, runs, good = 0, 0, 0
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        save(Path("model"), tiny_detector(), LABELS, preprocessing=PREPROCESSING.to_dict())
        Path("in").mkdir()
        for number in range(IMAGES):
            Image.fromarray(pixels.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(f"in/{number:03}.png")
        Path("in/damaged.png").touch()
        begun = time.monotonic()
        assert status_of(predicting("--output", "whole")) == SOME_FAILED
        span = time.monotonic() - begun
        while kills < options.kills:
            try:
                kills += killed_and_resumed(Path(f"run-{runs}"), chance, span, in_fsync=runs % 2 == 1)
                good += 1
            except AssertionError as error:
                kills += 1  # at least
                print(f"run {runs}: {error}", flush=True)
            shutil.rmtree(f"run-{runs}", ignore_errors=True)
            runs += 1
        os.chdir(before)
    print(f"{kills} kills of {runs} runs: {good} with the files of an undisturbed run, {runs - good} anything else")
    return 0 if good == runs else 1


if __name__ == "__main__":
    sys.exit(main())
