"""What kind of data set a path is and which splits it has, before any label is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol, runtime_checkable

from condetr.core.errors import DataError
from condetr.data.checks.data_report import Place, Report
from condetr.data.checks.problems import Reason
from condetr.data.discovery.split_names import SPLITS, TO_LEARN_FROM
from condetr.data.records import Dataset


@runtime_checkable
class ReadSplit(Protocol):
    """Reads one split. Problems that need refusing are in the report of what it returns."""

    def __call__(self, *, split: str, masks: bool = False) -> Dataset: ...


@dataclass(frozen=True)
class Layout:
    """Attributes: the format's name, where it was found, how to read each split, what finding them took.

    A split that is ``repeated`` is another once more, as where YOLO's val names the images of train: it is read where
    it is asked for, and not listed. ``places`` are folders and lists of images, where they are named one by one.
    """

    format: str
    source: Path
    splits: Mapping[str, ReadSplit]
    report: Report = field(default_factory=Report)
    repeated: frozenset[str] = frozenset()
    places: frozenset[Path] = frozenset()

    @property
    def names(self) -> list[str]:
        """Of the splits: train, val, test, then others."""
        listed = [split for split in self.splits if split not in self.repeated]
        return sorted(listed, key=lambda split: (SPLITS.index(split) if split in SPLITS else len(SPLITS), split))

    def read(self, split: str, *, masks: bool = False, again: bool = False) -> Dataset:
        """One split; what finding the data set took is in its report, unless one was read already."""
        dataset = self.splits[split](split=split, masks=masks)
        if not again:
            dataset.report.merge(self.report)
        return dataset


def add_split(splits: dict[str, ReadSplit], split: str, read: ReadSplit, source: Path) -> None:
    """Add one.

    Raises:
        DataError: there is one of this name already.
    """
    if split in splits:
        hint = "name the one you mean, or write a description file with `splits:`"
        raise DataError(f"holds more than one thing that could be the split {split!r}", source=source, hint=hint)
    splits[split] = read


def add_absent(splits: dict[str, ReadSplit], split: str, error: DataError, place: Place) -> None:
    """Pass over a split that is named but not there; one to learn from fails when it is read, and only then."""
    if split in TO_LEARN_FROM:
        add_split(splits, split, partial(_fail, error), Path(str(place.source)))
    else:
        place.add(Reason.MISSING_SPLIT, f"{split} is passed over: {error.source} {error.reason}")


def _fail(error: DataError, *, split: str, masks: bool = False) -> NoReturn:  # noqa: ARG001  a ReadSplit
    raise error
