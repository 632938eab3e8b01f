"""One run a folder: the system holds the lock for as long as the process lives, and not longer."""

import errno
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO

from condetr.core.errors import UsageError

LOCK = ".lock"
AT = 1 << 20  # the locked byte lies behind the text: Windows keeps others from reading what is locked


class Lock:
    """Held from construction to `release`, or to the end of the process, however it ends.

    Attributes:
        missing: why there is none, on a file system that knows no locks.
    """

    def __init__(self, folder: Path, work: str) -> None:
        """Lock an existing folder.

        Args:
            folder: holds the lock file.
            work: what is done in it, for the message to a second run: "training".

        Raises:
            UsageError: another process holds it, which is named.
        """
        self.missing: str | None = None
        self._path = folder / LOCK
        self._file = self._opened()
        try:
            _lock(self._file)
            while not self._is_in_place():  # the run before removed it between our opening and locking it
                self._file.close()
                self._file = self._opened()
                _lock(self._file)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                self._file.close()
                raise _taken(folder, work) from error
            self.missing = f"{folder} cannot be locked against a second run: {error.strerror}"
        with suppress(OSError):  # it only names us to others
            self._file.truncate(0)
            self._file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
            self._file.flush()

    def release(self, *, remove: bool = False) -> None:
        """Let others in, and remove the file where the folder is to look as if it had never been there."""
        with suppress(OSError):
            self._file.truncate(0)
        if remove:
            with suppress(OSError):  # Windows removes no file that is open
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
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def _taken(folder: Path, work: str) -> UsageError:
    try:
        holder = json.loads((folder / LOCK).read_text())
        who = f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return UsageError(f"{who} is {work} in this folder", source=folder, hint="choose another --output")


def _lock(file: IO[bytes]) -> None:
    if os.name == "nt":
        import msvcrt

        file.seek(AT)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        # Of the process, not of the open file: reading processes that outlive a killed run do not inherit it.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, AT)
