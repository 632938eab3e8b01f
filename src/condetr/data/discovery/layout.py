"""The format of a dataset and its splits, before any label is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol, runtime_checkable

from condetr.core.errors import DataError
from condetr.data.checks.data_report import DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.split_names import SPLITS, TRAIN_SPLITS
from condetr.data.records import Dataset


@runtime_checkable
class ReadSplit(Protocol):
    """Reads one split. Problems that must be refused are in the report of what it returns."""

    def __call__(self, *, split: str, masks: bool = False) -> Dataset: ...


@dataclass(frozen=True)
class Layout:
    """Where a dataset was found and how to read it.

    Attributes:
        format: its name.
        source: the folder or file.
        splits: how to read each of them.
        report: what was noticed while finding them.
        repeated: splits that are another once more, as when YOLO's val names the images of train: they are read on
            request, and not listed.
        image_sources: folders and lists of images, if they are named one by one; of a description, all that it names.
    """

    format: str
    source: Path
    splits: Mapping[str, ReadSplit]
    report: DataReport = field(default_factory=DataReport)
    repeated: frozenset[str] = frozenset()
    image_sources: frozenset[Path] = frozenset()

    @property
    def names(self) -> list[str]:
        """Of the splits: train, val, test, then others."""
        listed = [split for split in self.splits if split not in self.repeated]
        return sorted(listed, key=lambda split: (SPLITS.index(split) if split in SPLITS else len(SPLITS), split))

    def read(self, split: str, *, masks: bool = False, again: bool = False) -> Dataset:
        """One split; its report includes that of the layout, unless ``again``: another split was read before."""
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
        hint = "give the one you mean, or write a description file with `splits:`"
        raise DataError(f"holds more than one candidate for the split {split!r}", source=source, hint=hint)
    splits[split] = read


def add_absent(splits: dict[str, ReadSplit], split: str, error: DataError, location: Location) -> None:
    """Skip a split that is named but missing. A split to train on is kept: reading it raises the error."""
    if split in TRAIN_SPLITS:
        add_split(splits, split, partial(_fail, error), Path(str(location.source)))
    else:
        location.add(ProblemKind.MISSING_SPLIT, f"{split} is skipped: {error.source} {error.reason}")


def _fail(error: DataError, *, split: str, masks: bool = False) -> NoReturn:  # noqa: ARG001  a ReadSplit
    raise error
