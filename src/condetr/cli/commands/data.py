"""``condetr data``: check, count, convert, show and split labeled images, and make demo images."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from condetr.cli.commands.data_writing import TASK, WriteSettings, made, tell, tell_report, wanted_for, write_dataset
from condetr.cli.output.outcome import ALL_FAILED
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, one_line
from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.shared import check_at_least
from condetr.core.errors import DataError, SettingsError
from condetr.core.names import DatasetFormat, Task

if TYPE_CHECKING:
    from PIL import Image

    from condetr.data.checks.statistics import Statistics
    from condetr.data.records import Dataset

_Data = Annotated[Path, typer.Argument(help="Folder, COCO JSON, data.yaml or description file.", metavar="DATA")]
_Output = Annotated[Path, typer.Argument(help="A new folder.", metavar="OUT")]


@dataclass(frozen=True, kw_only=True)
class CheckSettings(CommonSettings):
    task: Annotated[Task, TASK] = "detect"
    queries: Annotated[int, "queries of the model; report images with more objects"] = 300
    tiny: Annotated[float, "side in pixels; report smaller objects"] = 8.0


@dataclass(frozen=True, kw_only=True)
class StatsSettings(CommonSettings):
    task: Annotated[Task, TASK] = "detect"
    output: Annotated[Path | None, "an image file for charts"] = None


@dataclass(frozen=True, kw_only=True)
class ConvertSettings(WriteSettings):
    to: Annotated[DatasetFormat, "format to write"] = "coco"
    masks: Annotated[bool, "keep segmentations; objects without one are left out"] = False


@dataclass(frozen=True, kw_only=True)
class ShowSettings(CommonSettings):
    task: Annotated[Task, TASK] = "detect"
    split: Annotated[str | None, "split to show, if there are several; or all"] = None
    count: Annotated[int, "number of images, spread over the split"] = 16
    columns: Annotated[int, "images per row"] = 4
    output: Annotated[Path, "image file to write"] = Path("grid.jpg")

    def __post_init__(self) -> None:
        check_at_least(1, count=self.count, columns=self.columns)


@dataclass(frozen=True, kw_only=True)
class SplitSettings(WriteSettings):
    split: Annotated[str | None, "split to divide, if there are several; or all"] = None
    all: Annotated[bool, "divide all splits together anew, as --split all"] = False
    group: Annotated[
        str | None,
        "keep images together: folder, those of a folder; a pattern, those in whose names it matches the same text",
    ] = None
    shares: Annotated[tuple[str, ...], "names and shares of the parts"] = ("train=0.8", "val=0.1", "test=0.1")
    to: Annotated[DatasetFormat, "format to write"] = "coco"


@dataclass(frozen=True, kw_only=True)
class DemoSettings(CommonSettings):
    train: Annotated[int, "scenes to learn from"] = 3000
    val: Annotated[int, "scenes in other handwriting, to measure"] = 500
    test: Annotated[int, "scenes in a third handwriting"] = 0
    side: Annotated[int, "height and width of a scene in pixels"] = 96
    task: Annotated[Task, "what to label: boxes (detect), masks (instance) or every pixel (panoptic)"] = "detect"

    def __post_init__(self) -> None:
        check_at_least(0, train=self.train, val=self.val, test=self.test)
        check_at_least(48, side=self.side)


def check(data: _Data, settings: CheckSettings, reporter: Reporter) -> int:
    """Find every problem of a dataset in one pass.

    Exit status: 0 usable, however much was left out; 3 something must be fixed first.
    """
    from condetr.cli.output.data_answer import check_data, check_text
    from condetr.data.checks.check import check_splits, read_leniently
    from condetr.data.discovery.formats import layout_of
    from condetr.data.discovery.split_names import without_unions

    wanted = wanted_for(settings.task)
    layout = layout_of(data, panoptic=wanted["panoptic"])
    splits, report = read_leniently(data, **wanted)
    with progress("images", sum(map(len, splits.values())), reporter) as step:
        check_splits(splits, report, queries=settings.queries, tiny=settings.tiny, step=step)
    unread = [name for name in without_unions(layout.names) if name not in splits]
    text = check_text(layout.format, splits, unread, report, everything=reporter.verbosity > 0)
    found = check_data(layout.format, splits, report)
    reporter.result(text, found)
    return 0 if found["usable"] else ALL_FAILED


def stats(data: _Data, settings: StatsSettings, reporter: Reporter) -> None:
    """Count and measure images and objects; with --output, draw charts."""
    from condetr.data.checks.data_charts import charts_of
    from condetr.data.checks.statistics import statistics_of
    from condetr.data.discovery.formats import read_splits

    splits = read_splits(data, **wanted_for(settings.task))
    tell(splits, reporter)
    numbers = {split: statistics_of(dataset) for split, dataset in splits.items()}
    if settings.output is not None:
        _save(charts_of(splits), settings.output)
    text = "\n\n".join(f"{split}\n{_table(statistics)}" for split, statistics in numbers.items())
    reporter.result(text, {split: statistics.to_dict() for split, statistics in numbers.items()})


def convert(data: _Data, output: _Output, settings: ConvertSettings, reporter: Reporter) -> None:
    """Write a dataset in another format."""
    from condetr.data.discovery.formats import read_splits
    from condetr.data.discovery.split_names import without_unions

    wanted = wanted_for(settings.task)
    wanted["masks"] |= settings.masks or settings.to == "coco-panoptic"
    splits = read_splits(data, **wanted)
    written = without_unions(splits)
    for union in sorted(splits.keys() - set(written)):
        reporter.note(f"{union} is made of the other splits and is not written")
    tell(splits, reporter)
    if settings.to != "voc" and not wanted["masks"]:
        reporter.note("boxes are written; --masks also keeps segmentations, where there are any")
    write_dataset({name: splits[name] for name in written}, output, settings.to, settings.transfer, reporter)


def show(data: _Data, settings: ShowSettings, reporter: Reporter) -> None:
    """Draw images side by side with their boxes, or with masks for other tasks."""
    from condetr.data.checks.contact_sheet import contact_sheet, evenly_spread

    wanted = wanted_for(settings.task)
    dataset = _one(data, settings.split, wanted)
    tell_report(dataset.report, reporter)
    positions = evenly_spread(len(dataset), settings.count)
    _save(contact_sheet(dataset, positions, masks=wanted["masks"], columns=settings.columns), settings.output)
    names = [dataset.name_of(dataset.examples[position]) for position in positions]
    reporter.result(str(settings.output), {"output": str(settings.output), "pictures": names})


def split(data: _Data, output: _Output, settings: SplitSettings, reporter: Reporter) -> None:
    """Divide a dataset into parts with the same mixture of classes."""
    from condetr.data.image_groups import groups_of
    from condetr.data.stratified_split import divide

    if settings.all and settings.split not in (None, "all"):
        raise SettingsError(f"is {settings.split}, and --all divides all splits", item="split")
    dataset = _one(data, "all" if settings.all else settings.split, wanted_for(settings.task))
    groups = None if settings.group is None else groups_of(dataset, settings.group)
    parts = divide(dataset, _shares(settings.shares), seed=settings.seed or 0, groups=groups)
    tell_report(dataset.report, reporter)
    write_dataset(parts, output, settings.to, settings.transfer, reporter)


def demo(output: _Output, settings: DemoSettings, reporter: Reporter) -> None:
    """Make images of handwritten digits, labeled, to try everything with."""
    from condetr.data.demo.scene_folder import write_scenes

    with progress("scenes", settings.train + settings.val + settings.test, reporter) as step:
        splits = write_scenes(
            output,
            train=settings.train,
            val=settings.val,
            test=settings.test,
            seed=settings.seed or 0,
            side=settings.side,
            task=settings.task,
            step=step,
        )
    reporter.result(*made(splits, output))


def _one(data: Path, split: str | None, wanted: dict[str, bool]) -> "Dataset":
    """A split, or all of them in one."""
    from condetr.data.discovery.formats import layout_of, read_dataset, read_splits
    from condetr.data.merged import merged

    layout = layout_of(data, panoptic=wanted["panoptic"])
    if split is None and len(layout.names) > 1:
        reason = f"which split is meant? there are {', '.join(layout.names)}"
        raise DataError(reason, source=data, item="split", hint="--split names one, or all for all of them")
    if split == "all" and "all" not in layout.splits:
        return merged(read_splits(data, **wanted))
    return read_dataset(data, split, **wanted)


def _shares(words: tuple[str, ...]) -> dict[str, float]:
    try:
        pairs = [(name.strip(), float(share)) for name, share in (word.split("=") for word in words)]
    except ValueError:
        pairs = []
    if not pairs or not all(0 < share < math.inf for _, share in pairs) or len(dict(pairs)) < len(pairs):
        reason = f"is {','.join(words)!r}, expected different names with positive shares such as train=0.8,val=0.2"
        raise SettingsError(reason, item="shares")
    return dict(pairs)


def _table(numbers: "Statistics") -> str:
    counts, percentiles = [], [f"  {'percentiles':20}" + "".join(f"{percent:>9}" for percent in (0, 10, 50, 90, 100))]
    for name, value in numbers.to_dict().items():
        label = name.replace("_", " ")
        if isinstance(value, dict):
            counts += [f"  {label}", *(f"    {one_line(key):18}{count:9}" for key, count in value.items())]
        elif isinstance(value, tuple):
            percentiles.append(f"  {label:20}" + "".join(f"{number:9.4g}" for number in value))
        else:
            counts.append(f"  {label:20}{value:9}")
    return "\n".join(counts + percentiles)


def _save(image: "Image.Image", path: Path) -> None:
    from condetr.images.saving import IMAGE_FORMATS, image_bytes, save_as

    save_as(path, {ending: partial(image_bytes, image, ending) for ending in IMAGE_FORMATS})
