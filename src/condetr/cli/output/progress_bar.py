"""Progress of long work: a bar with rate and time left on a terminal, elsewhere a line every ten seconds."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from condetr.cli.output.reporting import Reporter, one_line

_SECONDS_BETWEEN_LINES = 10.0


@runtime_checkable
class Step(Protocol):
    """Called after each item; ``detail`` is shown beside the progress, such as a loss."""

    def __call__(self, detail: str = "", /) -> None: ...


@contextmanager
def progress(what: str, total: int | None, reporter: Reporter) -> Iterator[Step]:
    """Yields a function to call after each of ``total`` items (None: unknown); shown on stderr, unless quiet."""
    if reporter.verbosity < 0 or sys.stderr is None:
        yield lambda _="": None
    elif sys.stderr.isatty():
        with _bar(what, total) as step:
            yield step
    else:
        yield _Lines(what, total, reporter)


class _Lines:
    def __init__(self, what: str, total: int | None, reporter: Reporter) -> None:
        self._what, self._total, self._reporter = what, total, reporter
        self._done = 0
        self._began = self._printed = time.monotonic()

    def __call__(self, detail: str = "", /) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._printed < _SECONDS_BETWEEN_LINES:
            return
        self._printed = now
        rate = self._done / (now - self._began)
        what = f"{self._what}, {detail}" if detail else self._what
        if self._total is None:
            self._reporter.note(f"{self._done} {what}, {_pace(rate)}")
            return
        left = (self._total - self._done) / rate
        self._reporter.note(f"{self._done}/{self._total} {what}, {_pace(rate)}, {_time(left)} left")


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Step]:
    from rich import progress as rich
    from rich.console import Console

    # rich's own estimate forgets steps older than 30 seconds, and is empty where a step takes longer.
    class Pace(rich.ProgressColumn):
        def render(self, task: rich.Task) -> str:
            return _pace(task.completed / task.elapsed) if task.completed and task.elapsed else ""

    class Left(rich.ProgressColumn):
        def render(self, task: rich.Task) -> str:
            if not task.completed or not task.elapsed or task.total is None:
                return ""
            return f"{_time((task.total - task.completed) * task.elapsed / task.completed)} left"

    columns = (
        rich.TextColumn(one_line(what)),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[detail]}"),
        Pace(),
        Left(),
    )
    # rich would redirect stdout to its console, even where it is a file or a pipe.
    where = Console(stderr=True)
    with rich.Progress(*columns, console=where, transient=True, redirect_stdout=False, get_time=time.monotonic) as bar:
        task = bar.add_task(what, total=total, detail="")
        yield lambda detail="": bar.update(task, advance=1, detail=detail)


def _pace(rate: float) -> str:
    """Per second, or seconds each where that is slower than one per second."""
    return f"{rate:.2f} per second" if rate >= 1 else f"{1 / rate:.2f} s each"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
