"""What a command says: its result on stdout, everything else on stderr, one line at a time."""

import json
import logging
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from condetr.core.errors import StorageError


class ReaderGoneError(Exception):
    """Whoever read our stdout has had enough, as ``head`` does; that is no failure of ours."""


class Reporter:
    """Speaks for one command.

    ``verbosity`` is -1 for results and errors only, 0 for warnings and notes, 1 for what each step does, 2 for
    everything.
    """

    def __init__(self, *, as_json: bool = False, verbosity: int = 0) -> None:
        self.as_json = as_json
        self.verbosity = verbosity

    def result(self, text: str, data: Mapping[str, Any]) -> None:
        """The answer of the command, for people or for programs."""
        self.write(f"{json_text(data)}\n" if self.as_json else f"{text}\n")

    def write(self, text: str) -> None:
        """Put a part of the result on stdout.

        Raises:
            ReaderGoneError: nobody reads any more.
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
        """From here on the warnings of Python and of every library are said like our own."""

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,  # noqa: ARG001  Python's signature
            line: str | None = None,  # noqa: ARG001
        ) -> None:
            place = f" ({category.__name__}, {filename}:{lineno})" if self.verbosity >= 1 else ""
            self.warn(f"{message}{place}")

        warnings.showwarning = show
        level = {-1: logging.ERROR, 0: logging.INFO}.get(self.verbosity, logging.DEBUG)
        logger = logging.getLogger("condetr")
        logger.setLevel(level)
        logger.handlers = [_SayingHandler()]
        logger.propagate = False


class _SayingHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        kind = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        say(f"condetr: {kind}{record.getMessage()}")


def say(text: str) -> None:
    """One line on stderr; when nobody can read that, the exit status still tells."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(one_line(text), file=sys.stderr, flush=True)  # noqa: T201  the one place that prints


def one_line(text: str) -> str:
    """``text`` with line breaks, control characters and undecodable bytes of file names written as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def json_text(data: Any) -> str:
    """ASCII, so that any locale can print it; an undecodable byte of a file name survives as a lone surrogate."""
    return json.dumps(data, allow_nan=False)


def jsonable(value: Any) -> Any:
    """The same in the values that JSON has, so that what was written compares equal to what will be."""
    return json.loads(json.dumps(value, default=str))
