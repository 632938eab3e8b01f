"""How a run of the command line ends: its exit status and the one line that explains it."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import typer

from condetr.cli.foreign_options import hint_for
from condetr.cli.interruption import Stopped, stopping_at_once
from condetr.cli.output.reporting import ReaderGoneError, forget_stdout, say
from condetr.core.errors import CondetrError
from condetr.core.out_of_memory import is_out_of_memory

BUG, USAGE, ALL_FAILED, PARTIAL, MODEL, STORAGE = 1, 2, 3, 4, 5, 6
_READER_GONE = 141  # 128 + SIGPIPE, as the shell shows it for other programs; Windows has no such signal
_PARSER_ERROR: type[Exception] = next(  # typer has no public name for it
    (base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError"), typer.BadParameter
)


def exit_status_of(run: Callable[[], int | None], *, debug: bool) -> int:
    """Run the program and return its exit status; every error is printed as one line."""
    try:
        with stopping_at_once():
            return run() or 0
    except ReaderGoneError:
        forget_stdout()
        return _READER_GONE
    except (Exception, Stopped) as error:
        status, reason = _explained(error)
        if debug:
            traceback.print_exc()
        elif status == BUG:
            reason += " (--debug shows the traceback)"
        say(f"condetr: error: {reason or type(error).__name__}")
        return status


def _explained(error: BaseException) -> tuple[int, str]:
    match error:
        case CondetrError():
            return error.exit_status, str(error)
        case _PARSER_ERROR():
            text = error.format_message() or "a command is missing"  # type: ignore[attr-defined]
            hint = hint_for(error)
            return USAGE, text if hint is None else f"{text.splitlines()[0]} ({hint})"
        case Stopped():
            return error.exit_status, f"stopped by {error}"
        case _ if is_out_of_memory(error):
            return MODEL, "out of memory (try a smaller batch or smaller images)"
        case OSError():  # of the surroundings, wherever it was met
            file = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            return STORAGE, f"{file}cannot be read or written: {error.strerror or error}"
    where = traceback.extract_tb(error.__traceback__)[-1]
    location = f"{Path(where.filename).name}:{where.lineno}"
    return BUG, f"this is a bug in condetr, please report it: {type(error).__name__}: {error} [{location}]"
