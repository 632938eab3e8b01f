"""One dataset divided into splits with the same distribution of classes, reproducibly."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from condetr.core.errors import DataError, UsageError
from condetr.data.records import Dataset


def divide(dataset: Dataset, shares: Mapping[str, float], *, seed: int = 0) -> dict[str, Dataset]:
    """Iterative stratification (Sechidis et al. 2011): rarest class first, each image to the split that lacks it most.

    Args:
        dataset: what to divide.
        shares: of the images, by the new splits' names; their sum is the whole.
        seed: of the order in which images are assigned.

    Raises:
        UsageError: a share that is not positive.
        DataError: fewer images than splits.
    """
    if not shares or min(shares.values()) <= 0:
        raise UsageError(f"is {dict(shares)}, expected positive shares", item="shares")
    if len(dataset) < len(shares):
        raise DataError(f"has {len(dataset)} images, too few for {len(shares)} splits", source=dataset.root)
    total = sum(shares.values())
    room = {split: len(dataset) * share / total for split, share in shares.items()}
    on_image = [Counter(labeled.label for labeled in example.objects) for example in dataset]
    in_total = Counter(labeled.label for example in dataset for labeled in example.objects)
    lacking = {
        label: {split: count * share / total for split, share in shares.items()} for label, count in in_total.items()
    }
    chosen: dict[str, list[int]] = {split: [] for split in shares}
    for position in _rarest_first(on_image, in_total, seed):
        rarest = min(on_image[position], key=lambda label: (in_total[label], label), default=None)
        lack = lacking[rarest] if rarest is not None else room
        split = max(shares, key=lambda name: (room[name] > 0.5, lack[name], room[name]))
        chosen[split].append(position)
        room[split] -= 1
        for label, count in on_image[position].items():
            lacking[label][split] -= count
    _fill_empty(chosen)
    return {split: dataset.subset(sorted(positions), split=split) for split, positions in chosen.items()}


def _rarest_first(on_image: list[Counter[int]], in_total: Counter[int], seed: int) -> list[int]:
    shuffled = np.random.default_rng(seed).permutation(len(on_image)).tolist()
    rarest = [min((in_total[label] for label in labels), default=1 << 60) for labels in on_image]
    return sorted(shuffled, key=rarest.__getitem__)


def _fill_empty(chosen: dict[str, list[int]]) -> None:
    for positions in chosen.values():
        if not positions:
            positions.append(max(chosen.values(), key=len).pop())
