"""The output of a command: its result on stdout, everything else on stderr, one line at a time."""

import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from io import UnsupportedOperation
from typing import Any, TextIO

from condetr.core.errors import StorageError


class ReaderGoneError(Exception):
    """The reader of stdout closed the pipe, as ``head`` does; that is no failure."""


class Reporter:
    """Prints the output of one command.

    ``verbosity`` is -1 for results and errors only, 0 for warnings and notes, 1 for what each step does, 2 for
    everything.
    """

    def __init__(self, *, as_json: bool = False, verbosity: int = 0) -> None:
        self.as_json = as_json
        self.verbosity = verbosity

    def result(self, text: str, data: Mapping[str, Any]) -> None:
        """Print the result, as text or as JSON."""
        self.write(f"{json_text(data)}\n" if self.as_json else f"{text}\n")

    def write(self, text: str) -> None:
        """Write a part of the result to stdout.

        Raises:
            ReaderGoneError: the pipe is closed.
            StorageError: it cannot be written.
        """
        if sys.stdout is None:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            raise ReaderGoneError from None
        except OSError as error:
            forget_stdout()
            raise StorageError(f"cannot be written: {error.strerror}", source="stdout") from error

    def note(self, text: str) -> None:
        if self.verbosity >= 0:
            say(text)

    def detail(self, text: str) -> None:
        if self.verbosity >= 1:
            say(text)

    def warn(self, text: str) -> None:
        if self.verbosity >= 0:
            say(f"condetr: warning: {text}")

    def take_over_warnings(self) -> None:
        """Print the warnings of Python and of all libraries like those of condetr from now on."""

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,  # noqa: ARG001  Python's signature
            line: str | None = None,  # noqa: ARG001
        ) -> None:
            origin = f" ({category.__name__}, {filename}:{lineno})" if self.verbosity >= 1 else ""
            self.warn(f"{message}{origin}")

        warnings.showwarning = show
        level = {-1: logging.ERROR, 0: logging.INFO}.get(self.verbosity, logging.DEBUG)
        logger = logging.getLogger("condetr")
        logger.setLevel(level)
        logger.handlers = [_StderrHandler()]
        logger.propagate = False


class _StderrHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        kind = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        say(f"condetr: {kind}{record.getMessage()}")


def say(text: str) -> None:
    """Print one line to stderr; where that fails, the exit status still reports the error."""
    if sys.stderr is None:
        return
    with suppress(OSError):
        try:
            print(one_line(text), file=sys.stderr, flush=True)  # noqa: T201  only this function prints
        except RuntimeError:  # the handler of a signal, which came while another line was printed
            os.write(sys.stderr.fileno(), f"{one_line(text)}\n".encode(errors="backslashreplace"))


def forget_stdout() -> None:
    """Python flushes stdout at exit, which would fail again, and change the exit status."""
    with suppress(UnsupportedOperation):  # in a notebook, or in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(text: str) -> str:
    """``text`` with line breaks, control characters and undecodable bytes of file names written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def json_text(data: Any) -> str:
    """ASCII, so that any locale can print it; an undecodable byte of a file name survives as a lone surrogate."""
    return json.dumps(data, allow_nan=False)


def jsonable(value: Any) -> Any:
    """The same in the values that JSON has, so that what was written compares equal to what will be."""
    return json.loads(json.dumps(value, default=str))
