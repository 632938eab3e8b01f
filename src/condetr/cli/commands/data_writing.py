"""What commands that write a dataset have in common: their options, and the report of what was written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.command import CommonSettings
from condetr.core.errors import SettingsError
from condetr.core.names import DatasetFormat, Task

if TYPE_CHECKING:
    from condetr.data.checks.data_report import DataReport
    from condetr.data.image_transfer import Transfer
    from condetr.data.records import Dataset

TASK = "what the data is for: detect, instance (with masks) or panoptic (COCO's PNGs)"


@dataclass(frozen=True, kw_only=True)
class WriteSettings(CommonSettings):
    task: Annotated[Task, TASK] = "detect"
    link: Annotated[bool, "link the images instead of copying them"] = False
    labels_only: Annotated[bool, "write the labels without the images"] = False

    def __post_init__(self) -> None:
        if self.link and self.labels_only:
            raise SettingsError("cannot be combined with labels-only", item="link")

    @property
    def transfer(self) -> "Transfer":
        return "link" if self.link else "none" if self.labels_only else "copy"


@dataclass(frozen=True, kw_only=True)
class EditSettings(WriteSettings):
    to: Annotated[DatasetFormat | None, "format to write; default: that of the data, or coco"] = None
    masks: Annotated[bool, "keep segmentations; objects without one are left out"] = False

    def format_for(self, layout_format: str) -> DatasetFormat:
        known: dict[str, DatasetFormat] = {name: name for name in get_args(DatasetFormat)}
        return self.to or known.get(layout_format, "coco")


def wanted_for(task: Task) -> dict[str, bool]:
    """What a task needs of a dataset."""
    return {"masks": task != "detect", "panoptic": task == "panoptic"}


def write_dataset(
    splits: "Mapping[str, Dataset]", output: Path, to: DatasetFormat, transfer: "Transfer", reporter: Reporter
) -> None:
    """Write all splits, with a progress bar, and report what was renamed or lost."""
    from condetr.data.convert import DESCRIPTION, convert, remarks
    from condetr.data.image_transfer import ImageTransfer

    with progress("images", sum(map(len, splits.values())), reporter) as step:
        report = convert(splits, output, to, ImageTransfer(transfer, step))
    tell_report(report, reporter)
    for remark in remarks(splits, to):
        reporter.note(remark)
    if transfer == "none":
        described = output / DESCRIPTION
        what = f"{described} names them" if described.exists() else f"the labels need them there, where {to} has them"
        reporter.note(f"the images are not in {output}; {what}")
    text, found = made(splits, output)
    reporter.result(text, found | {"format": to, "problems": report.to_dict()})


def made(splits: "Mapping[str, Dataset]", output: Path) -> tuple[str, dict[str, Any]]:
    from condetr.cli.output.data_answer import sizes, split_lines

    return "\n".join((str(output), *split_lines(splits).values())), {"output": str(output), "splits": sizes(splits)}


def tell(splits: "Mapping[str, Dataset]", reporter: Reporter) -> None:
    """Report what was left out or changed while reading: a warning for each kind, and examples with --verbose."""
    from condetr.data.discovery.split_names import without_unions

    names = without_unions(splits)
    for name in names:
        tell_report(splits[name].report, reporter, f"{name}: " if len(names) > 1 else "")


def tell_report(report: "DataReport", reporter: Reporter, where: str = "") -> None:
    from condetr.cli.output.data_answer import EXAMPLES

    for line in report.lines(EXAMPLES if reporter.verbosity > 0 else 0):
        if line.startswith(" "):
            reporter.detail(line)
        else:
            reporter.warn(f"{where}{line}")
