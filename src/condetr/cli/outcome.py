"""How a run of the command line ends: its exit status and the one line that explains it."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import typer

from condetr.cli.reporting import say
from condetr.core.errors import CondetrError

BUG, USAGE, ALL_FAILED, PARTIAL, MODEL = 1, 2, 3, 4, 5
_INTERRUPTED, _READER_GONE, _TERMINATED = (128 + number for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGTERM))
_PARSER_ERROR: type[Exception] = typer.BadParameter.__mro__[1]  # typer names its siblings nowhere


class _Terminated(BaseException):
    """SIGTERM came."""


def exit_status_of(run: Callable[[], int | None], *, debug: bool) -> int:  # noqa: PLR0911  one per way to end
    """Run the program; whatever happens, say it in one line and answer with its exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return run() or 0
    except CondetrError as error:
        return _failed(str(error), error.exit_status, debug=debug)
    except _PARSER_ERROR as error:
        return _failed(error.format_message(), USAGE, debug=debug)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted", _INTERRUPTED, debug=debug)
    except _Terminated:
        return _failed("terminated", _TERMINATED, debug=debug)
    except BrokenPipeError:
        _forget_stdout()
        return _READER_GONE
    except MemoryError:
        return _failed("out of memory (try a smaller --batch or smaller pictures)", MODEL, debug=debug)
    except Exception as error:  # every other one is our fault, and says so
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} [{os.path.basename(where.filename)}:{where.lineno}]"  # noqa: PTH119
        said = f"this is a bug in condetr, please report it: {reason}"
        return _failed(said if debug else f"{said} (--debug shows the traceback)", BUG, debug=debug)


def _failed(reason: str, status: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    try:
        say(f"condetr: error: {reason}")
    except OSError:  # the reader of stderr went away, too; the status still tells
        sys.stderr = None
    return status


def interrupted_by(number: int) -> NoReturn:
    """End as the signal asks for: 130 or 143, after all that is open was closed."""
    raise _Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  the signature of a handler
    interrupted_by(number)


def _forget_stdout() -> None:
    """Python flushes stdout once more when it ends, and would complain aloud that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
