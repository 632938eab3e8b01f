"""Which images to learn from, and which to measure on."""

from dataclasses import dataclass, replace
from pathlib import Path

from condetr.core.errors import DataError
from condetr.data.checks.check import check
from condetr.data.checks.data_report import Report
from condetr.data.checks.verdict import NONE, judge, shared, to_learn_from, to_measure_on, usable
from condetr.data.discovery.formats import read_dataset
from condetr.data.records import Dataset
from condetr.data.stratified_split import divide
from condetr.data.synthetic.dataset import REFERENCE, SyntheticScenes

ASIDE = 0.1  # of the images, where no part is there to measure on


@dataclass(frozen=True, slots=True)
class Parts:
    """What a training run takes of a data set.

    Attributes:
        learned_from: what to learn from.
        measured_on: what to measure on, if anything.
        report: all that was found about the whole data set.
        notes: how the parts were chosen.
    """

    learned_from: Dataset
    measured_on: Dataset | None
    report: Report
    notes: tuple[str, ...] = ()


def parts_of(
    data: str | Path,
    *,
    split: str | None = None,
    validation: str | None = None,
    keep_aside: bool = True,
    masks: bool = False,
    panoptic: bool = False,
) -> Parts:
    """Check the whole data set, and take its parts.

    Args:
        data: a folder or file in any format, or ``condetr/scenes`` for endless synthetic ones.
        split: what to learn from; else train, or what stands for it.
        validation: what to measure on, "none" for nothing; else val. Where that is missing, or images of it are
            learned from, a tenth of the images is kept aside for it, alike in classes and always the same.
        keep_aside: whether that is wanted.
        masks: whether objects need a segmentation.
        panoptic: whether COCO's panoptic annotations are meant, where there are others, too.

    Raises:
        DataError: there is no such data set or part, or it cannot be used.
    """
    if str(data) == REFERENCE:
        return _endless(split, validation)
    splits, report = check(data, masks=masks, panoptic=panoptic, learn_from=split, measure_on=validation)
    report.refuse()

    def part(name: str) -> Dataset:
        if name in splits:
            return usable(splits[name], data)
        dataset = read_dataset(data, name, masks=masks, panoptic=panoptic)  # a union of others, which was not checked
        judge({name: dataset}, dataset.report, learn_from=name)
        return usable(dataset, data)

    learned_from = part(to_learn_from(splits, split))
    if validation == NONE:
        return Parts(learned_from, None, report)
    validation = to_measure_on(splits, learned_from, validation)
    if validation is None:
        why = "the images of val are learned from" if "val" in splits else "there is no val to measure on"
        return _some_kept_aside(learned_from, report, why) if keep_aside else Parts(learned_from, None, report)
    measured_on = part(validation)
    if measured_on.classes != learned_from.classes:
        raise DataError(f"{validation} has other classes than {learned_from.split}", source=data)
    return Parts(learned_from, measured_on, report, _leak(learned_from, measured_on))


def _endless(split: str | None, validation: str | None) -> Parts:
    """Synthetic scenes, of which there is one split and none to measure on."""
    for item, value in (("split", split), ("validation", validation)):
        if value not in (None, NONE):
            raise DataError(f"{REFERENCE} has no part {value!r}", item=item, hint="leave it out")
    return Parts(SyntheticScenes(), None, Report(), ("every scene is made when it is read; nothing is measured",))


def _leak(learned_from: Dataset, measured_on: Dataset) -> tuple[str, ...]:
    count = shared(learned_from, measured_on)
    if not count:
        return ()
    said = f"{count} of the {len(measured_on)} images to measure on are learned from: what is measured will flatter"
    return (said,)


def _some_kept_aside(dataset: Dataset, report: Report, why: str) -> Parts:
    if len(dataset) > 1:
        learned_from, measured_on = divide(dataset, {"train": 1 - ASIDE, "val": ASIDE}).values()
        if all(any(example.objects for example in part) for part in (learned_from, measured_on)):
            said = f"{len(measured_on)} of the {len(dataset)} images of {dataset.split} are kept aside for it"
            note = f"{why}: {said} (--validation names another part, or {NONE})"
            return Parts(replace(learned_from, split=dataset.split), measured_on, report, (note,))
    return Parts(dataset, None, report, (f"{why}, and too few images with objects to keep some aside",))
