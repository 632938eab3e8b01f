"""What the benchmarks share: arguments, one printed line a case, numbers as JSON."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers

from benchmarks.interleave import Comparison, interleave, machine


def arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"transformers {transformers.__version__}; " + ", ".join(f"{key} {said}" for key, said in machine().items()))
    return options


def measure(
    case: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    rounds: int,
    deviation: float,
    goal: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, str | float]:
    """Time both, print the line, return the numbers; ``deviation`` is of the outputs."""
    return report(case, interleave(ours, theirs, rounds, clock), deviation=deviation, goal=goal)


def report(case: str, timed: Comparison, *, deviation: float, goal: float) -> dict[str, str | float]:
    row = {"case": case, **timed.summary(), "deviation": deviation, "goal": goal}
    print(
        f"{case:36} {row['ratio']:5.2f}x ({row['low']:.2f} to {row['high']:.2f}, goal {goal:g}), "
        f"{row['ours_ms']:.2f} ms against {row['theirs_ms']:.2f} ms, deviation {deviation:.1e}"
    )
    return row


def write(rows: list[dict[str, str | float]], path: Path | None) -> None:
    if path is not None:
        said = {"peer": f"transformers {transformers.__version__}", "machine": machine(), "rows": rows}
        path.write_text(json.dumps(said, indent=1) + "\n")
