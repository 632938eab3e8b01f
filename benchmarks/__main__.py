"""Every row of the goals, one benchmark after the other, each in a process of its own: one table, one JSON file.

python -m benchmarks [--only NAME,NAME] [--rounds N] [--threads 1] [--json FILE] [--list]

The table is Markdown on stdout; what each benchmark says while it runs goes to stderr. Exit status 1 if one failed;
a goal that is missed is told, and is no failure. Whole, on one core, it takes the better part of an hour.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.interleave import machine

ROUNDS = {
    "image_processing": 15,
    "loss": 15,
    "postprocessing": 15,
    "segmentation_postprocessing": 5,
    "outlines": 15,
    "fast_forward": 5,
    "segmenter": 5,
    "int8": 5,
    "mixed_sizes": 5,
    "training_step": 5,
    "first_image": 5,
    "starting": 5,
}
ON_A_GPU = {"gpu": 10}
COLUMNS = ("what", "ratio", "low to high", "ours", "theirs", "deviation", "goal", "")


def run(name: str, rounds: int, threads: int, folder: Path) -> list[dict[str, Any]]:
    """Its rows; none if it failed."""
    file = folder / f"{name}.json"
    command = [sys.executable, "-m", f"benchmarks.{name}", "--rounds", str(rounds), "--json", str(file)]
    if name not in ON_A_GPU:
        command += ["--threads", str(threads)]
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        return []
    return [row | {"benchmark": name, "rounds": rounds} for row in json.loads(file.read_text())["rows"]]


def line(row: dict[str, Any]) -> str:
    met = "met" if row["ratio"] >= row["goal"] else f"missed by {1 - row['ratio'] / row['goal']:.0%}"
    more = [f"error {row['error'] / row['their_error']:.1f} of theirs"] if "error" in row else []
    more += [f"{row['points_lost']:.2f} points of AP lost"] if "points_lost" in row else []
    cells = (
        row["case"],
        f"{row['ratio']:.2f}",
        f"{row['low']:.2f} to {row['high']:.2f}",
        f"{row['ours_ms']:.1f} ms",
        f"{row['theirs_ms']:.1f} ms",
        f"{row['deviation']:.1e}",
        f"{row['goal']:.3g}",
        ", ".join([met, *more]),
    )
    return f"| {' | '.join(cells)} |"


def table(rows: list[dict[str, Any]]) -> str:
    head = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    return "\n".join([*head, *map(line, rows)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names with commas between them")
    parser.add_argument("--rounds", type=int, help="of each; else each has its own number")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--list", action="store_true", help="the names, and no more")
    options = parser.parse_args()
    known = ROUNDS | (ON_A_GPU if torch.cuda.is_available() else {})
    names = list(known) if options.only is None else options.only.split(",")
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    if options.list:
        print(*names, sep="\n")
        return 0
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    torch.set_num_threads(options.threads)
    about = {"date": datetime.now(UTC).isoformat(timespec="minutes"), "transformers": transformers.__version__}
    about |= machine() | {"load_before": os.getloadavg()}
    rows, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            print(f"== {name}", file=sys.stderr, flush=True)
            found = run(name, options.rounds or known[name], options.threads, Path(folder))
            rows += found
            failed += [] if found else [name]
    about["load_after"] = os.getloadavg()
    print(", ".join(f"{key} {said}" for key, said in about.items()), table(rows), sep="\n\n")
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    if options.json is not None:
        said = {"about": about, "rows": rows, "failed": failed}
        options.json.write_text(json.dumps(said, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
