"""``condetr data merge``, ``rename``, ``drop`` and ``dedupe``: a dataset changed, written to a new folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from condetr.cli.commands.data_writing import EditSettings, tell, tell_report, wanted_for, write_dataset
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter
from condetr.core.errors import SettingsError

if TYPE_CHECKING:
    from condetr.core.names import DatasetFormat
    from condetr.data.editing.classes import Splits
    from condetr.data.records import Dataset

_Data = Annotated[Path, typer.Argument(help="Folder, COCO JSON, data.yaml or description file.", metavar="DATA")]
_Output = Annotated[Path, typer.Argument(help="A new folder.", metavar="OUT")]
_Several = Annotated[list[Path], typer.Argument(help="Datasets; classes of the same name become one.", metavar="DATA")]
_Pairs = Annotated[list[str], typer.Argument(help="Classes and their new names.", metavar="OLD=NEW")]
_Classes = Annotated[list[str], typer.Argument(help="Names of classes.", metavar="CLASS")]


@dataclass(frozen=True, kw_only=True)
class DedupeSettings(EditSettings):
    bits: Annotated[int, "how many of the 64 bits of an image's dHash may differ, 0 to 7"] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.bits <= 7:
            raise SettingsError(f"is {self.bits}, expected 0 to 7", item="bits")


def merge(data: _Several, output: _Output, settings: EditSettings, reporter: Reporter) -> None:
    """Write several datasets as one; splits of the same name are joined."""
    from condetr.data.editing.merging import joined

    read = [_read(path, settings, reporter) for path in data]
    splits = joined([splits for splits, _ in read])
    tell(splits, reporter)
    formats = {to for _, to in read}
    write_dataset(splits, output, formats.pop() if len(formats) == 1 else "coco", settings.transfer, reporter)


def rename(data: _Data, output: _Output, names: _Pairs, settings: EditSettings, reporter: Reporter) -> None:
    """Give classes other names; those that get the same name become one."""
    from condetr.data.editing.classes import renamed

    table = _table_of(names)
    splits, to = _read(data, settings, reporter)
    tell(splits, reporter)
    write_dataset(renamed(splits, table), output, to, settings.transfer, reporter)


def drop(data: _Data, output: _Output, names: _Classes, settings: EditSettings, reporter: Reporter) -> None:
    """Remove classes and their objects; all images stay, even without objects."""
    from condetr.data.editing.classes import without

    splits, to = _read(data, settings, reporter)
    tell(splits, reporter)
    left = without(splits, names)
    lost = sum(_objects_in(splits[split]) - _objects_in(left[split]) for split in splits)
    reporter.note(f"{lost} objects are left out")
    write_dataset(left, output, to, settings.transfer, reporter)


def dedupe(data: _Data, output: _Output, settings: DedupeSettings, reporter: Reporter) -> None:
    """Remove near duplicates of images, from the training split first."""
    from condetr.data.editing.near_duplicates import without_near_duplicates

    splits, to = _read(data, settings, reporter)
    tell(splits, reporter)
    with progress("images", sum(map(len, splits.values())), reporter) as step:
        left, report = without_near_duplicates(splits, bits=settings.bits, step=step)
    tell_report(report, reporter)
    reporter.note(f"{sum(map(len, splits.values())) - sum(map(len, left.values()))} images are left out")
    write_dataset(left, output, to, settings.transfer, reporter)


def _read(path: Path, settings: EditSettings, reporter: Reporter) -> "tuple[Splits, DatasetFormat]":
    """All splits but unions of others, and the format to write."""
    from condetr.data.discovery.formats import layout_of, read_splits
    from condetr.data.discovery.split_names import without_unions

    wanted = wanted_for(settings.task)
    layout = layout_of(path, panoptic=wanted["panoptic"])
    to = settings.format_for(layout.format)
    wanted["masks"] |= settings.masks or to == "coco-panoptic"
    splits = read_splits(path, **wanted)
    if to != "voc" and not wanted["masks"]:
        reporter.note("boxes are written; --masks also keeps segmentations, where there are any")
    return {split: splits[split] for split in without_unions(splits)}, to


def _table_of(pairs: list[str]) -> dict[str, str]:
    table: dict[str, str] = {}
    for pair in pairs:
        old, found, new = pair.partition("=")
        if not found or not old.strip() or not new.strip() or old in table:
            reason = f"is {pair!r}, expected OLD=NEW, each old name once"
            raise SettingsError(reason, item="names")
        table[old.strip()] = new.strip()
    return table


def _objects_in(dataset: "Dataset") -> int:
    return sum(len(example.objects) for example in dataset)
