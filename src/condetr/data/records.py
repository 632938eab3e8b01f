"""A labeled dataset, whatever format it was read from."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, overload

from condetr.data.checks.data_report import DataReport
from condetr.data.classes import Classes, Id
from condetr.data.stored_images import ImagePart, StoredImage
from condetr.images.sizes import HeightWidth

if TYPE_CHECKING:
    from condetr.data.augmentation.sample import Sample
    from condetr.data.columns.examples import ExampleColumns

Box: TypeAlias = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the upright image


class Annotated(NamedTuple):
    """Box and area of an object as the source states them, which COCO's AP compares with."""

    x: float
    y: float
    width: float
    height: float
    area: float


@dataclass(frozen=True, slots=True)
class Object:
    """One labeled object.

    Attributes:
        label: position in the table of classes.
        box: inside the image, with area.
        area: in pixels; of the outline if the source states it, else of the box.
        id: the annotation's, if the format has any.
        segmentation: polygons or RLE as in the source, checked; None unless masks were requested.
        annotated: the annotation's own box and area, if they differ from those above in any digit.
        order: position among the annotations of the source, which decides between ties of COCO's AP.
        marks: of Pascal VOC: difficult, truncated, occluded; such an object is trained on like any other.
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
    """An image and its objects, perhaps none.

    Attributes:
        path: the image file.
        size: (height, width) of the upright image, read from the file itself.
        image_id: the source's, or the position in the dataset.
        objects: what a model should detect.
        crowds: groups that were not labeled one by one: detections in them count neither as right nor as wrong.
        segments: a PNG whose colors assign pixels to objects and crowds; the ids of those are the colors.
        lost: objects that cannot be trained on, without area or outside of the image; COCO's AP counts them.
        lost_crowds: likewise.
        part: of an image that is a part of a file, which is among the parents of ``path``.
    """

    path: Path
    size: HeightWidth
    image_id: Id
    objects: tuple[Object, ...] = ()
    crowds: tuple[Object, ...] = ()
    segments: Path | None = None
    lost: tuple[Object, ...] = field(default=(), repr=False, compare=False)
    lost_crowds: tuple[Object, ...] = field(default=(), repr=False, compare=False)
    part: ImagePart | None = field(default=None, repr=False, compare=False)

    @property
    def image(self) -> "Path | StoredImage":
        """What to decode."""
        return self.path if self.part is None else StoredImage(self.path, self.part)


class SampleIndex(NamedTuple):
    """One draw during training; the random numbers of its augmentation depend on it alone."""

    epoch: int
    position: int  # in the order of the epoch
    image: int  # index in the dataset


@dataclass(frozen=True, eq=False)
class Dataset(Sequence[Example]):
    """Examples that share a table of classes.

    Attributes:
        examples: records, or columns from which a record is made when it is used.
        root: the folder of the images.
        report: what was left out or changed while reading.
        keeps_sizes: whether training takes the images at their own sizes, whatever size the model predicts at.
    """

    keeps_sizes: ClassVar[bool] = False

    examples: Sequence[Example]
    classes: Classes
    root: Path
    split: str = "all"
    report: DataReport = field(default_factory=DataReport, repr=False)

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
        from condetr.data.columns.examples import ExampleColumns

        if isinstance(self.examples, ExampleColumns):
            return replace(self, examples=self.examples.chosen(positions), split=split or self.split)
        chosen = tuple(self.examples[position] for position in positions)
        return replace(self, examples=chosen, split=split or self.split)

    @cached_property
    def columns(self) -> "ExampleColumns":
        """The labels as arrays, to count and measure; without outlines unless the examples are columns already."""
        from condetr.data.columns.building import columns_of

        return columns_of(self if isinstance(self.examples, tuple) else self.examples, exact=False)

    def name_of(self, example: Example) -> str:
        """The image's path below ``root``, or relative to it, with forward slashes."""
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
        """A hash of names, sizes, classes and objects, without pixels."""
        from condetr.data.columns.examples import ExampleColumns

        if isinstance(self.examples, ExampleColumns):  # the same hash, computed once
            return self.examples.remembered(repr((self.root, self.classes, self.classes.stuff)), self._fingerprint)
        return self._fingerprint()

    def _fingerprint(self) -> str:
        content = hashlib.sha256(repr(self.classes).encode())
        content.update(repr(self.classes.stuff).encode() if self.classes.stuff else b"")
        for example in self:
            row = (self.name_of(example), example.size, example.image_id, example.objects, example.crowds)
            content.update(repr(row).encode())
        return content.hexdigest()
