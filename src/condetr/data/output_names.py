"""Names for the pictures of formats that pair a picture with its labels by name alone."""

import re
from pathlib import Path

from condetr.data.reasons import Reason
from condetr.data.records import Dataset, Example
from condetr.data.report import Report


class OutputNames:
    """Gives every picture one name without folders, of which no two have the same stem."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._name_of: dict[Path, str] = {}
        self._stems: set[str] = set()

    def name_of(self, dataset: Dataset, example: Example) -> str:
        """The same for the same file, in whatever split it is met again."""
        if example.path not in self._name_of:
            self._name_of[example.path] = self._new_name(dataset.name_of(example), example.path)
        return self._name_of[example.path]

    def _new_name(self, given: str, path: Path) -> str:
        stem, ending = Path(re.sub(r"[\s/]", "_", given)).stem, path.suffix
        chosen, number = stem, 1
        while chosen.lower() in self._stems:
            number += 1
            chosen = f"{stem}-{number}"
        self._stems.add(chosen.lower())
        if chosen + ending != given:
            self._report.add(Reason.NAME_CHANGED, f"{given} is written as {chosen}{ending}", source=path)
        return chosen + ending
