"""Finished images reach the disk in groups: first their files, then their lines in the journal."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from condetr.files.atomic_write import reach_disk, writing_to
from condetr.prediction.results_log import Journal

MOST, SECONDS = 32, 1.0  # images of a group, and how long the first of them waits for the others


class GroupCommit:
    """What is in the journal is whole, whatever happens; what is not in it yet is predicted on again.

    A run that is killed loses at most the images of one group. Waiting for the disk after each of them would cost
    more than many networks do.
    """

    def __init__(self, journal: Journal, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal, self._clock = journal, clock
        self._entries: list[dict[str, Any]] = []
        self._files: list[Path] = []
        self._latest = clock()

    def add(self, entry: dict[str, Any], files: Sequence[Path]) -> None:
        """A finished image, whose files have been written.

        Raises:
            StorageError: the group is full, and cannot be written.
        """
        self._entries.append(entry)
        self._files += files
        if len(self._entries) >= MOST or self._clock() - self._latest >= SECONDS:
            self.commit()

    def commit(self) -> None:
        """Raises StorageError: it cannot be written."""
        entries, files = self._entries, self._files
        self._entries, self._files, self._latest = [], [], self._clock()
        if not entries:
            return
        with writing_to(self._journal.path.parent):
            for path in (*files, *sorted({file.parent for file in files})):
                with suppress(FileNotFoundError):  # the result was removed meanwhile
                    reach_disk(path)
        self._journal.add(*entries)
        self._journal.reach_disk()
        self._latest = self._clock()
