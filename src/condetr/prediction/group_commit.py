"""Results are committed to disk in groups: first their files, then their lines in the journal."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from condetr.files.atomic_write import reach_disk, writing_to
from condetr.prediction.results_log import Journal

MOST, SECONDS = 32, 1.0  # largest group, and the longest wait of its first image


class GroupCommit:
    """Everything in the journal is complete on disk; images that are not in it are predicted again on resume.

    A killed run loses at most the images of one group. Syncing after every image would often take longer than the
    network.
    """

    def __init__(self, journal: Journal, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal, self._clock = journal, clock
        self._entries: list[dict[str, Any]] = []
        self._files: list[Path] = []
        self._latest = clock()

    def add(self, entry: dict[str, Any], files: Sequence[Path]) -> None:
        """Add a finished image, whose files have been written.

        Raises:
            StorageError: the group is due and cannot be written.
        """
        self._entries.append(entry)
        self._files += files
        if len(self._entries) >= MOST or self._clock() - self._latest >= SECONDS:
            self.commit()

    def commit(self) -> None:
        """Raises StorageError where the group cannot be written."""
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
