"""One data set divided into several that are alike: every class spread over all, the same way each time."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from condetr.core.errors import DataError, UsageError
from condetr.data.records import Dataset


def divide(dataset: Dataset, shares: Mapping[str, float], *, seed: int = 0) -> dict[str, Dataset]:
    """Iterative stratification (Sechidis et al. 2011): rarest class first, each image to where it is missed most.

    Args:
        dataset: what to divide.
        shares: of the images, by the new splits' names; what they add up to is the whole.
        seed: of the order in which images are given out.

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
    on_picture = [Counter(one.label for one in example.objects) for example in dataset]
    everywhere = Counter(one.label for example in dataset for one in example.objects)
    missed = {
        label: {split: count * share / total for split, share in shares.items()} for label, count in everywhere.items()
    }
    chosen: dict[str, list[int]] = {split: [] for split in shares}
    for position in _rarest_first(on_picture, everywhere, seed):
        rarest = min(on_picture[position], key=lambda label: (everywhere[label], label), default=None)
        wanted = missed[rarest] if rarest is not None else room
        split = max(shares, key=lambda one: (room[one] > 0.5, wanted[one], room[one]))
        chosen[split].append(position)
        room[split] -= 1
        for label, count in on_picture[position].items():
            missed[label][split] -= count
    _leave_none_empty(chosen)
    return {split: dataset.subset(sorted(positions), split=split) for split, positions in chosen.items()}


def _rarest_first(on_picture: list[Counter[int]], everywhere: Counter[int], seed: int) -> list[int]:
    shuffled = np.random.default_rng(seed).permutation(len(on_picture)).tolist()
    return sorted(shuffled, key=lambda one: min((everywhere[label] for label in on_picture[one]), default=1 << 60))


def _leave_none_empty(chosen: dict[str, list[int]]) -> None:
    for positions in chosen.values():
        if not positions:
            positions.append(max(chosen.values(), key=len).pop())
