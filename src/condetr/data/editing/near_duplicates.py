"""Images that show the same: copies in another size or format, neighboring frames of a video.

Two images are nearly the same if they agree in two ways: in the signs of the differences between neighboring cells of
their 9x8 gray reduction (dHash, 64 bits of which few may differ), and in their 16x16 color reduction, within a few
levels.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from PIL import Image

from condetr.core.errors import ImageError, UsageError
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.editing.classes import Splits
from condetr.data.records import Dataset, Example
from condetr.images.decoding.decode import decode

BITS = 4
_MOST_BITS = 7  # of 64: at least one of eight bytes is then the same
_LEVELS = 10.0  # of 255, mean difference of the color reductions
_KEPT_FIRST = ("test", "val")  # what is evaluated on stays as it is


class _Look(NamedTuple):
    bits: int
    colors: Float32[np.ndarray, "16 16 3"]


def without_near_duplicates(
    splits: Mapping[str, Dataset], *, bits: int = BITS, step: Callable[[], None] = lambda: None
) -> tuple[Splits, DataReport]:
    """One image of each group of near duplicates.

    The image of test is kept, else that of val; of one split that with the most objects, else the first.

    Args:
        splits: by name.
        bits: how many of 64 may differ, 0 to 7; 0 still finds copies in other sizes and formats.
        step: called after each image.

    Returns:
        The same splits with fewer images, and a report of what was left out: near duplicates, and unreadable images.

    Raises:
        UsageError: ``bits`` is out of its range.
    """
    if not 0 <= bits <= _MOST_BITS:
        raise UsageError(f"is {bits}, expected 0 to {_MOST_BITS}", item="bits")
    report = DataReport()
    listed = [(split, example) for split, dataset in splits.items() for example in dataset]
    looks = _looks_of([example for _, example in listed], report, step)
    order = sorted(range(len(listed)), key=lambda number: _preference(*listed[number]))
    kept: set[int] = set()
    by_byte: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for number in order:
        look = looks[number]
        if look is None:
            continue
        keys = [(position, look.bits >> 8 * position & 255) for position in range(8)]
        near = next((other for key in keys for other in by_byte[key] if _alike(look, looks[other], bits)), None)
        if near is None:
            kept.add(number)
            for key in keys:
                by_byte[key].append(number)
        else:
            (split, example), (other_split, other) = listed[number], listed[near]
            message = f"of {split} is nearly the same as {other.path.name} of {other_split}"
            report.add(ProblemKind.NEAR_DUPLICATE, message, source=example.path)
    left, first = Splits(), 0
    for split, dataset in splits.items():
        left[split] = dataset.subset(number for number in range(len(dataset)) if first + number in kept)
        first += len(dataset)
    return left, report


def _preference(split: str, example: Example) -> tuple[int, int]:
    rank = _KEPT_FIRST.index(split) if split in _KEPT_FIRST else len(_KEPT_FIRST)
    return rank, -len(example.objects)


def _looks_of(examples: list[Example], report: DataReport, step: Callable[[], None]) -> list[_Look | None]:
    looks: list[_Look | None] = []
    with ThreadPoolExecutor(cpu_count()) as pool:
        for example, look in zip(examples, pool.map(_look_at, examples), strict=True):
            step()
            if isinstance(look, ImageError):
                report.add(ProblemKind.UNREADABLE_PICTURE, look.reason, source=example.path)
                looks.append(None)
            else:
                looks.append(look)
    return looks


def _look_at(example: Example) -> _Look | ImageError:
    try:
        image = decode(example.image).convert("RGB")
    except ImageError as error:
        return error
    gray = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    signs = (gray[:, 1:] > gray[:, :-1]).ravel()
    colors = np.asarray(image.resize((16, 16), Image.Resampling.BOX), dtype=np.float32)
    return _Look(int.from_bytes(np.packbits(signs).tobytes(), "big"), colors)


def _alike(first: _Look, second: _Look | None, bits: int) -> bool:
    if second is None or (first.bits ^ second.bits).bit_count() > bits:
        return False
    return float(np.abs(first.colors - second.colors).mean()) <= _LEVELS
