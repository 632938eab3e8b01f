"""What a labeled data set is, whatever format it was read from."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, overload

from condetr.data.checks.data_report import Report
from condetr.data.classes import Classes, Id
from condetr.images.sizes import HeightWidth

if TYPE_CHECKING:
    from condetr.data.augmentation import Sample

Box: TypeAlias = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the upright image


class Annotated(NamedTuple):
    """What the source says of an object, as COCO's AP compares with it."""

    x: float
    y: float
    width: float
    height: float
    area: float


@dataclass(frozen=True, slots=True)
class Object:
    """One labeled thing.

    Attributes:
        label: position in the table of classes.
        box: inside the image, with area.
        area: in pixels; of the outline where the source knows it, else of the box.
        id: the annotation's, where the format has any.
        segmentation: polygons or RLE as the source gives them, checked; None unless masks were asked for.
        annotated: the annotation's own box and area, where they are not those above to the last digit.
        order: position among the annotations of the source, which decides between ties of COCO's AP.
        marks: of Pascal VOC: difficult, truncated, occluded; it is learned and found like any other.
    """

    label: int
    box: Box
    area: float
    id: Id | None = None
    segmentation: Any = field(default=None, repr=False)
    annotated: Annotated | None = field(default=None, repr=False, compare=False)
    order: int = field(default=0, repr=False, compare=False)
    marks: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Example:
    """An image and what is on it, perhaps nothing.

    Attributes:
        path: the image file.
        size: (height, width) of the upright image, read from the file itself.
        image_id: the source's, or the position in the data set.
        objects: what a model should find.
        crowds: groups that were not labeled one by one: nothing to find, and no error to find something there.
        segments: a PNG that says by color which object or crowd every pixel belongs to; their ids are the colors.
        lost: objects that no model can learn from, without area or outside of the image; COCO's AP counts them.
        lost_crowds: likewise.
    """

    path: Path
    size: HeightWidth
    image_id: Id
    objects: tuple[Object, ...] = ()
    crowds: tuple[Object, ...] = ()
    segments: Path | None = None
    lost: tuple[Object, ...] = field(default=(), repr=False, compare=False)
    lost_crowds: tuple[Object, ...] = field(default=(), repr=False, compare=False)


class SampleIndex(NamedTuple):
    """One draw during training; the random numbers of its augmentation depend on it alone."""

    epoch: int
    position: int  # in the order of the epoch
    image: int  # index in the dataset


@dataclass(frozen=True, eq=False)
class Dataset(Sequence[Example]):
    """Examples that share a table of classes.

    Attributes:
        root: the folder that the images lie in.
        report: what was left out or changed on the way here.
    """

    examples: tuple[Example, ...]
    classes: Classes
    root: Path
    split: str = "all"
    report: Report = field(default_factory=Report, repr=False)

    def __len__(self) -> int:
        return len(self.examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> "Dataset": ...
    def __getitem__(self, index: int | slice) -> "Example | Dataset":
        return self.subset(range(len(self))[index]) if isinstance(index, slice) else self.examples[index]

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    def subset(self, positions: Iterable[int], *, split: str | None = None) -> "Dataset":
        chosen = tuple(self.examples[position] for position in positions)
        return replace(self, examples=chosen, split=split or self.split)

    def name_of(self, example: Example) -> str:
        """The image's path below ``root``, or from there, with forward slashes."""
        if example.path.is_relative_to(self.root):
            return example.path.relative_to(self.root).as_posix()
        return Path(os.path.relpath(example.path, self.root)).as_posix()

    def sample(self, index: SampleIndex, *, masks: bool = False) -> "Sample":
        """The image and labels of one draw, read from the disk.

        Raises:
            ImageError: the image cannot be read.
            AnnotationError: the masks cannot be read, or the dataset was read without them.
        """
        from condetr.data.samples import read_sample  # torchvision, which checking a dataset does not need

        return read_sample(self[index.image], masks=masks)

    def sample_name(self, index: SampleIndex) -> str:
        """The name of a draw in messages."""
        return self.name_of(self[index.image])

    def fingerprint(self) -> str:
        """Changes when a name, size, class or object does; pixels are not looked at."""
        content = hashlib.sha256(repr(self.classes).encode())
        content.update(repr(self.classes.stuff).encode() if self.classes.stuff else b"")
        for one in self:
            content.update(repr((self.name_of(one), one.size, one.image_id, one.objects, one.crowds)).encode())
        return content.hexdigest()
