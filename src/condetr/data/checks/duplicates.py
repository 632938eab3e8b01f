"""The pixels of the image files: whether each can be decoded, and which of them are the same."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import TypeAlias

from condetr.core.errors import ImageError
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.records import Dataset
from condetr.images.decoding.decode import decode
from condetr.images.decoding.sources import Source

_AT_ONCE = 256  # images that wait for a thread: more would only take memory
Step: TypeAlias = Callable[[], None]


def check_content(splits: Mapping[str, Dataset], report: DataReport, step: Step | None = None) -> None:
    """Decode every image once; report those that are damaged, twice in a split, or in two splits."""
    first: dict[str, tuple[str, Path]] = {}
    for split, path, content in _contents_of(splits):
        if step is not None:
            step()
        if isinstance(content, ImageError):
            report.add(ProblemKind.UNREADABLE_PICTURE, content.reason, source=path)
            continue
        other_split, other = first.setdefault(content, (split, path))
        if other_split != split:
            report.add(ProblemKind.LEAKAGE, f"is in {split}, and in {other_split} as {other.name}", source=path)
        elif other is not path:
            report.add(ProblemKind.SAME_CONTENT, f"has the same pixels as {other.name}", source=path)


def check_names(splits: Mapping[str, Dataset], report: DataReport) -> None:
    """Report names that are the same file on disks that ignore case."""
    for dataset in splits.values():
        first: dict[str, str] = {}
        for name in sorted({dataset.name_of(example) for example in dataset}):
            other = first.setdefault(name.casefold(), name)
            if other != name:
                report.add(ProblemKind.SAME_NAME_BUT_CASE, f"{name} and {other}", source=dataset.root)


def _contents_of(splits: Mapping[str, Dataset]) -> Iterator[tuple[str, Path, str | ImageError]]:
    listed = [(split, example.path, example.image) for split, dataset in splits.items() for example in dataset]
    with ThreadPoolExecutor(cpu_count()) as pool:
        for first in range(0, len(listed), _AT_ONCE):
            part = listed[first : first + _AT_ONCE]
            contents = pool.map(_content_of, [image for _, _, image in part])
            for (split, path, _), content in zip(part, contents, strict=True):
                yield split, path, content


def _content_of(image: Source) -> str | ImageError:
    """A hash of the pixels, whatever the file format; or the reason why there are none."""
    try:
        pixels = decode(image)
    except ImageError as error:
        return error
    return hashlib.blake2b(repr(pixels.size).encode() + pixels.tobytes()).hexdigest()
