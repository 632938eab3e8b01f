"""Which images to train on, and which to evaluate on."""

from dataclasses import dataclass, replace
from pathlib import Path

from condetr.core.errors import DataError
from condetr.data.checked_data import SILENT, Watcher, checked_data
from condetr.data.checks.check import check_choice
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.verdict import (
    NONE,
    check_train_and_val,
    require_usable,
    shared_images,
    train_split_of,
    val_split_of,
)
from condetr.data.discovery.formats import read_dataset
from condetr.data.records import Dataset
from condetr.data.stratified_split import divide
from condetr.data.synthetic.dataset import SyntheticScenes

HOLD_OUT = 0.1  # of the images, where there is no split to evaluate on


@dataclass(frozen=True, slots=True)
class TrainVal:
    """The parts of a dataset that a training run uses.

    Attributes:
        train: what to train on.
        val: what to evaluate on, if anything.
        report: all problems of the whole dataset.
        notes: how the two were chosen.
    """

    train: Dataset
    val: Dataset | None
    report: DataReport
    notes: tuple[str, ...] = ()


def train_val_of(
    data: str | Path,
    *,
    split: str | None = None,
    validation: str | None = None,
    hold_out: bool = True,
    masks: bool = False,
    panoptic: bool = False,
    watcher: Watcher = SILENT,
) -> TrainVal:
    """Check the whole dataset, and choose what to train and evaluate on.

    Args:
        data: a folder or file in any format, or ``condetr/scenes`` for endless synthetic ones,
            see `SyntheticScenes`.
        split: what to train on; else train, trainval or all.
        validation: what to evaluate on, "none" for nothing; else val. If that is missing, or shares images with the
            split to train on, a tenth of the images is held out for it, stratified by class and always the same.
        hold_out: False never holds images out.
        masks: whether objects need a segmentation.
        panoptic: whether to prefer COCO's panoptic annotations over others in the same folder.
        watcher: is called with what happens while the data are read.

    Raises:
        DataError: there is no such dataset or split, or it cannot be used.
    """
    if (scenes := SyntheticScenes.from_reference(Path(data).as_posix())) is not None:
        return _synthetic(scenes, split, validation)
    checked = checked_data(data, masks=masks, panoptic=panoptic, watcher=watcher)
    splits, report = checked.splits, DataReport()
    report.merge(checked.report)
    check_choice(splits, report, train=split, val=validation)
    report.merge(checked.checks)
    report.refuse()

    def usable(name: str) -> Dataset:
        if name in splits:
            return require_usable(splits[name], data)
        dataset = read_dataset(data, name, masks=masks, panoptic=panoptic)  # a union of others, not checked before
        check_train_and_val({name: dataset}, dataset.report, train=name)
        return require_usable(dataset, data)

    train = usable(train_split_of(splits, split))
    if validation == NONE:
        return TrainVal(train, None, report)
    validation = val_split_of(splits, train, validation)
    if validation is None:
        why = "the images of val are trained on" if "val" in splits else "there is no val split to evaluate on"
        return _held_out(train, report, why) if hold_out else TrainVal(train, None, report)
    val = usable(validation)
    if val.classes != train.classes:
        raise DataError(f"{validation} has other classes than {train.split}", source=data)
    return TrainVal(train, val, report, _leakage(train, val))


def _synthetic(scenes: SyntheticScenes, split: str | None, validation: str | None) -> TrainVal:
    """Synthetic scenes, which have one split and none to evaluate on."""
    for item, value in (("split", split), ("validation", validation)):
        if value not in (None, NONE):
            raise DataError(f"{scenes.root} has no split {value!r}", item=item, hint="leave it out")
    notes = ("every scene is generated when it is read; nothing is evaluated",)
    return TrainVal(scenes, None, DataReport(), notes)


def _leakage(train: Dataset, val: Dataset) -> tuple[str, ...]:
    count = shared_images(train, val)
    if not count:
        return ()
    return (f"{count} of the {len(val)} images to evaluate on are trained on: results will be too optimistic",)


def _held_out(dataset: Dataset, report: DataReport, why: str) -> TrainVal:
    if len(dataset) > 1:
        train, val = divide(dataset, {"train": 1 - HOLD_OUT, "val": HOLD_OUT}).values()
        if all(part.columns.counts().any() for part in (train, val)):
            held_out = f"{len(val)} of the {len(dataset)} images of {dataset.split} are held out for it"
            note = f"{why}: {held_out} (--validation chooses another split, or {NONE})"
            return TrainVal(replace(train, split=dataset.split), val, report, (note,))
    return TrainVal(dataset, None, report, (f"{why}, and too few images with objects to hold some out",))
