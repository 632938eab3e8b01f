"""Two callables timed in turns, so that whatever else the machine does hits both.

The ratio is the median of (their time / our time), one ratio a round; low and high enclose the middle half of
the rounds. Gaps under 10 % are noise. Where one thread takes seconds, ``time.process_time`` is the better clock: it
stands still while others have the core.
"""

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from condetr.core.processor import processor_name


@dataclass(frozen=True)
class Comparison:
    """Seconds of each round."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    def summary(self) -> dict[str, float]:
        ratios = [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        low, ratio, high = statistics.quantiles(ratios, n=4)
        ours, theirs = (1000 * statistics.median(seconds) for seconds in (self.ours, self.theirs))
        return {"ratio": ratio, "low": low, "high": high, "ours_ms": ours, "theirs_ms": theirs}


def interleave(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Run both in turns, after one round that does not count."""
    return Comparison(*zip(*in_turns([ours, theirs], rounds, clock), strict=True))


def in_turns(
    runs: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[tuple[float, ...]]:
    """Seconds of each, round by round, after one round that does not count."""
    return [tuple(_seconds(run, clock) for run in runs) for _ in range(rounds + 1)][1:]


def machine() -> dict[str, str | int]:
    """What the numbers hold for."""
    return {
        "processor": processor_name(),
        "vector_units": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _seconds(run: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return clock() - start
