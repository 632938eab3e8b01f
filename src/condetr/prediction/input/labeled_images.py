"""The images of a labeled dataset as sources; of a file of several pages the first, which its labels belong to."""

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from condetr.data.records import Example
from condetr.prediction.sources import ImageSource


def labeled_images(examples: Iterable[Example]) -> Iterator[ImageSource]:
    """One source for each image, in order."""
    for example in examples:
        yield ImageSource(str(example.path), PurePath(example.path.name), example.image)
