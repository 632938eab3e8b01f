"""One run per folder: the operating system holds the lock exactly as long as the process lives."""

import errno
import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from condetr.core.errors import UsageError

LOCK = ".lock"
AT = 1 << 20  # the locked byte is behind the text, for Windows lets no other process read locked bytes


_BETWEEN_TRIES = 0.1  # seconds


class TakenError(UsageError):
    """Another process holds the lock."""


class Lock:
    """Held from construction to `release`, or to the end of the process, however it ends.

    Attributes:
        missing: why there is no lock, on a file system that does not support locks.
    """

    def __init__(self, folder: Path, work: str) -> None:
        """Lock an existing folder.

        Args:
            folder: holds the lock file.
            work: for the error message of a second run, e.g. "training".

        Raises:
            TakenError: another process holds the lock; the message names it.
            UsageError: the lock file cannot be opened.
        """
        self.missing: str | None = None
        self._path = folder / LOCK
        self._file = self._opened()
        try:
            _lock(self._file)
            while not self._is_in_place():  # the previous run removed it between our opening and locking it
                self._file.close()
                self._file = self._opened()
                _lock(self._file)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                self._file.close()
                raise _taken(folder, work) from error
            self.missing = f"{folder} cannot be locked against a second run: {error.strerror}"
        with suppress(OSError):  # only for the error message of other processes
            self._file.truncate(0)
            self._file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
            self._file.flush()

    def release(self, *, remove: bool = False) -> None:
        """Give up the lock; ``remove``: delete the lock file, too."""
        with suppress(OSError):
            self._file.truncate(0)
        if remove:
            with suppress(OSError):  # Windows does not remove open files
                self._path.unlink()
        self._file.close()

    def _opened(self) -> IO[bytes]:
        try:
            return self._path.open("a+b")
        except OSError as error:
            reason = f"cannot be opened to lock the folder: {error.strerror or error}"
            raise UsageError(reason, source=self._path, hint="remove it, or choose another --output") from error

    def _is_in_place(self) -> bool:
        ours = os.fstat(self._file.fileno())
        try:
            current = self._path.stat()
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (current.st_dev, current.st_ino)


def lock_when_free(folder: Path, work: str, on_wait: Callable[[str], None]) -> tuple[Lock, bool]:
    """The lock of a folder, and whether other processes had it before; ``on_wait`` is called with a text about them.

    Raises:
        UsageError: the lock file cannot be opened.
    """
    waited = False
    while True:
        try:
            return Lock(folder, work), waited
        except TakenError as error:
            if not waited:
                on_wait(f"waiting: {error.reason}")
            waited = True
            time.sleep(_BETWEEN_TRIES)


def _taken(folder: Path, work: str) -> TakenError:
    try:
        holder = json.loads((folder / LOCK).read_text())
        who = f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return TakenError(f"{who} is {work} in this folder", source=folder, hint="choose another --output")


def _lock(file: IO[bytes]) -> None:
    if os.name == "nt":
        import msvcrt

        file.seek(AT)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        # Of the process, not of the open file: data loading workers that outlive a killed run do not inherit it.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, AT)
