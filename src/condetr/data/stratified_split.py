"""One dataset divided into splits with the same distribution of classes, reproducibly."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

from condetr.core.errors import DataError, UsageError
from condetr.data.records import Dataset


def divide(
    dataset: Dataset, shares: Mapping[str, float], *, seed: int = 0, groups: Sequence[Hashable] | None = None
) -> dict[str, Dataset]:
    """Iterative stratification (Sechidis et al. 2011): rarest class first, each image to the split that lacks it most.

    Args:
        dataset: what to divide.
        shares: of the images, by the new splits' names; their sum is the whole.
        seed: of the order in which images are assigned.
        groups: of each image; images of one group, such as those of one patient or camera, stay in one split.

    Raises:
        UsageError: a share that is not positive.
        DataError: fewer images, or groups, than splits.
    """
    if not shares or min(shares.values()) <= 0:
        raise UsageError(f"is {dict(shares)}, expected positive shares", item="shares")
    units = _units_of(range(len(dataset)) if groups is None else groups)
    if len(units) < len(shares):
        what = "images" if groups is None else "groups of images"
        raise DataError(f"has {len(units)} {what}, too few for {len(shares)} splits", source=dataset.root)
    total = sum(shares.values())
    room = {split: len(dataset) * share / total for split, share in shares.items()}
    labels, ends = dataset.columns.objects().labels.tolist(), np.cumsum(dataset.columns.counts()).tolist()
    of_image = [labels[first:last] for first, last in zip([0, *ends[:-1]], ends, strict=True)]
    in_unit = [Counter(label for position in unit for label in of_image[position]) for unit in units]
    in_total = Counter(labels)
    lacking = {
        label: {split: count * share / total for split, share in shares.items()} for label, count in in_total.items()
    }
    chosen: dict[str, list[int]] = {split: [] for split in shares}
    for number in _rarest_first(in_unit, in_total, seed):
        rarest = min(in_unit[number], key=lambda label: (in_total[label], label), default=None)
        lack = lacking[rarest] if rarest is not None else room
        split = max(shares, key=lambda name: (room[name] > 0.5, lack[name], room[name]))
        chosen[split].append(number)
        room[split] -= len(units[number])
        for label, count in in_unit[number].items():
            lacking[label][split] -= count
    _fill_empty(chosen)
    return {
        split: dataset.subset(sorted(position for number in numbers for position in units[number]), split=split)
        for split, numbers in chosen.items()
    }


def _units_of(groups: Iterable[Hashable]) -> list[list[int]]:
    """The positions of the images of each group."""
    units: dict[Hashable, list[int]] = {}
    for position, group in enumerate(groups):
        units.setdefault(group, []).append(position)
    return list(units.values())


def _rarest_first(in_unit: list[Counter[int]], in_total: Counter[int], seed: int) -> list[int]:
    shuffled = np.random.default_rng(seed).permutation(len(in_unit)).tolist()
    rarest = [min((in_total[label] for label in labels), default=1 << 60) for labels in in_unit]
    return sorted(shuffled, key=rarest.__getitem__)


def _fill_empty(chosen: dict[str, list[int]]) -> None:
    for positions in chosen.values():
        if not positions:
            positions.append(max(chosen.values(), key=len).pop())
