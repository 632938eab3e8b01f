"""The memory of a run: one JSON line per finished picture, so that nothing finished is ever lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from condetr.core.errors import StorageError


class Journal:
    """Appends JSON objects to a file, each line whole before the next begins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._drop_half_line()
        try:
            self._file = path.open("a", encoding="ascii")
        except OSError as error:
            raise _not_written(path, error) from error

    def add(self, entry: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(entry, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise _not_written(self.path, error) from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise _not_written(self.path, error) from error

    def _drop_half_line(self) -> None:
        """What a killed run or a full disk left."""
        if not self.path.exists():
            return
        with self.path.open("rb+") as file:
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
            file.truncate(whole)


def entries_of(path: Path) -> Iterator[dict[str, Any]]:
    """The results in a journal, one at a time; a last line that is not whole was never finished.

    Raises:
        StorageError: a line is no result of a picture.
    """
    if not path.exists():
        return
    with path.open(encoding="ascii", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                return
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not (isinstance(entry, dict) and all(type(entry.get(key)) is str for key in ("source", "output"))):
                raise StorageError("is no result", source=path, item=f"line {number}", hint="give another --output")
            yield entry


def _not_written(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot be written: {error.strerror or error}", source=path)
