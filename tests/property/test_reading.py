"""Whatever was done to a data set: it is refused in words, or read with every object, or what is lost is counted."""

import functools
import shutil
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from condetr.core.errors import CondetrError
from condetr.data.checks.problems import Outcome, ProblemKind
from condetr.data.discovery.formats import layout_of, read_splits
from condetr.data.train_val import train_val_of
from tests.property.spoilt import KEEPING, SPOILING
from tests.unit.data.checking import check
from tests.unit.data.layouts import LAYOUTS, described_yolo

COUNTED = {
    ProblemKind.ORPHAN_LABELS,
    ProblemKind.NO_SPLIT,
    ProblemKind.MISSING_SPLIT,
    ProblemKind.LINKED_FOLDER,
    ProblemKind.HIDDEN,
}


@functools.cache
def good(layout):
    """A folder with the layout, written once."""
    folder = Path(tempfile.mkdtemp(prefix="good-"))
    return folder, layout(folder).relative_to(folder)


def spoilt(layout, ways, seed, count):
    """A copy of a good data set after some changes, in a folder of its own, and the path to read."""
    draw, (folder, target) = Random(seed), good(layout)
    copy = Path(tempfile.mkdtemp(prefix="spoilt-"))
    shutil.copytree(folder, copy / "set", symlinks=True)
    for _ in range(count):
        try:
            draw.choice(ways)(copy / "set", draw)
        except OSError:  # what is changed next was taken away, or cannot be called so
            continue
    return copy, copy / "set" / target


def verdict_of(path, panoptic):
    """The objects of each split and the report where it is usable; None where it is refused."""
    try:
        splits, report = check(path, panoptic=panoptic)
    except CondetrError:
        return None
    refused = report.count_of(Outcome.REFUSED)
    message = _refusal_of_training(path, panoptic)
    assert bool(refused) == bool(message), f"check finds {refused} to be mended ({report}); training says {message}"
    str(report).encode()
    return (
        None
        if refused
        else ({name: sum(len(example.objects) for example in part) for name, part in splits.items()}, report)
    )


def _refusal_of_training(path, panoptic):
    try:
        train_val_of(path, panoptic=panoptic)
    except CondetrError as error:
        return str(error)
    return None


def judge(layout, ways, seed, count):
    """Whether the data set was usable; everything that must hold is asserted."""
    panoptic = layout.__name__ == "coco_panoptic"
    copy, path = spoilt(layout, ways, seed, count)
    try:
        for read in (layout_of, read_splits):
            try:
                read(path, panoptic=panoptic)
            except CondetrError as error:
                str(error)
        found = verdict_of(path, panoptic)
        if found is not None and ways is KEEPING and layout is not described_yolo:  # which looks beside its images only
            objects, report = found
            expected = sum(
                sum(len(example.objects) for example in part) for part in read_splits(_whole(layout)).values()
            )
            lost = expected - sum(objects.values())
            counted = sum(
                n for reason, n in report.counts.items() if reason in COUNTED or reason.outcome is Outcome.LEFT_OUT
            )
            assert lost <= 0 or counted, f"{lost} objects are gone, and the report says {report}"
        return found is not None
    finally:
        shutil.rmtree(copy)


def _whole(layout):
    folder, target = good(layout)
    return folder / target


@pytest.mark.parametrize("ways", [KEEPING, SPOILING], ids=["keeping", "spoiling"])
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**32), count=st.integers(1, 3))
def test_only_refusals_come_out_and_no_object_is_lost_in_silence(ways, layout, seed, count):
    judge(layout, ways, seed, 1 if ways is KEEPING else count)
