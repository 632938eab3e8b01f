"""Count what was read, what was refused and what was neither, with the slowest input and the memory."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MOST_SECONDS = 60  # for any input


class TooSlowError(BaseException):
    """Not an `Exception`, which the code under study might catch."""


@contextlib.contextmanager
def stopped_after(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlowError(f"not finished after {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def megabytes(name: str) -> float:
    """Of this process, under its name in Linux's table."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def memory_now() -> float:
    """From which on the peak, VmHWM, counts anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return megabytes("VmRSS")


class Tally:
    """Its text is the last line of a study. Seconds are the processor's, memory is what one input added."""

    def __init__(self, inputs: str = "inputs", read: str = "read", refused: str = "refused") -> None:
        self.words = inputs, read, refused
        self.read = self.refused = self.wrong = 0
        self.slowest = self.megabytes = 0.0

    def add(self, *, read: bool, seconds: float, megabytes: float) -> None:
        self.read += read
        self.refused += not read
        self._measured(seconds, megabytes)

    def add_wrong(self, name: str, why: str, seconds: float = 0, megabytes: float = 0) -> None:
        self.wrong += 1
        self._measured(seconds, megabytes)
        print(f"{name}: {why}", flush=True)

    def judge(self, name: str, read: Callable[[], bool]) -> None:
        """In this process: whether the input was read; whatever is raised is neither."""
        before, begun = memory_now(), time.process_time()
        try:
            with stopped_after(MOST_SECONDS):
                was_read = read()
        except (Exception, SystemExit, TooSlowError) as error:  # that none of these comes out is what is studied
            self.add_wrong(name, f"{type(error).__name__}: {str(error)[:300]}", time.process_time() - begun)
        else:
            seconds = time.process_time() - begun
            self.add(read=was_read, seconds=seconds, megabytes=megabytes("VmHWM") - before)

    def _measured(self, seconds: float, megabytes: float) -> None:
        self.slowest, self.megabytes = max(self.slowest, seconds), max(self.megabytes, megabytes)

    @property
    def status(self) -> int:
        return 1 if self.wrong else 0

    def __str__(self) -> str:
        inputs, read, refused = self.words
        return (
            f"{self.read + self.refused + self.wrong} {inputs}: {self.read} {read}, {self.refused} {refused}, "
            f"{self.wrong} anything else; slowest {self.slowest:.2f} s, most memory {self.megabytes:.0f} MB"
        )
