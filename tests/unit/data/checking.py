"""Reads and checks a dataset in one call."""

from condetr.data.checks.check import QUERIES, TINY, check_splits, read_leniently


def check(path, *, masks=False, panoptic=False, queries=QUERIES, tiny=TINY, train=None, val=None):
    """What can be read, and the report; problems that must be refused are in it, not raised."""
    splits, report = read_leniently(path, masks=masks, panoptic=panoptic)
    check_splits(splits, report, queries=queries, tiny=tiny, train=train, val=val)
    return splits, report
