"""The journal of a run: one JSON line per finished image, from which a run resumes and tables are made."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from condetr.core.errors import StorageError
from condetr.files.atomic_write import writing_to

_FIRST = '{"source": '


class Journal:
    """Appends JSON objects to a file, one per line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._drop_half_line()
        with writing_to(path):
            self._file = path.open("a", encoding="ascii")

    def add(self, *entries: dict[str, Any]) -> None:
        with writing_to(self.path):
            self._file.write("".join(json.dumps(entry, allow_nan=False) + "\n" for entry in entries))
            self._file.flush()

    def reach_disk(self) -> None:
        """Sync to disk, so that the lines survive a power failure."""
        with writing_to(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with writing_to(self.path):
            self._file.close()

    def _drop_half_line(self) -> None:
        """Remove the incomplete last line that a killed run or a full disk left."""
        if not self.path.exists():
            return
        with self.path.open("rb+") as file:
            complete = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                complete += len(line)
            file.truncate(complete)


def entries_of(path: Path) -> Iterator[dict[str, Any]]:
    """The results in a journal, one at a time, without an incomplete last line.

    Raises:
        StorageError: a line is not the result of an image.
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
                raise StorageError("is not a result", source=path, item=f"line {number}", hint="give another --output")
            yield entry


def latest_entries_of(path: Path) -> Iterator[dict[str, Any]]:
    """The last result of each image; without locks, two runs in one folder may have written an image twice."""
    last = _last_lines_of_repeated(path)
    for number, entry in enumerate(entries_of(path)):
        if last.get(entry["source"], number) == number:
            yield entry


def sources_of(path: Path) -> Iterator[str | None]:
    """The image of each complete line, without parsing the detections; None where there is none."""
    if not path.exists():
        return
    with path.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield source_of(line)


def source_of(line: str) -> str | None:
    """The source in a line of ``Detections.to_dict``."""
    try:
        if line.startswith(_FIRST):
            source = json.JSONDecoder().raw_decode(line, len(_FIRST))[0]
        else:
            source = json.loads(line)["source"]
    except (ValueError, TypeError, KeyError):  # `entries_of` refuses it
        return None
    return source if isinstance(source, str) else None


def _last_lines_of_repeated(path: Path) -> dict[str | None, int]:
    """The last line of each image that has several; eight bytes are kept of each of the others."""
    keys = np.fromiter((_key(source) for source in sources_of(path)), dtype=np.uint64)
    values, counts = np.unique(keys, return_counts=True)
    if len(values) == len(keys):
        return {}
    repeated = set(values[counts > 1].tolist())
    return {source: number for number, source in enumerate(sources_of(path)) if _key(source) in repeated}


def _key(source: str | None) -> int:
    text = "" if source is None else source
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
