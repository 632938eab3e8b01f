"""A sequence of examples over columns: an `Example` exists only while it is used."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
from jaxtyping import Bool, Float64, Int64

from condetr.data.classes import Id
from condetr.data.columns.arrays import KINDS, NO_ID, TEXT, ExampleArrays
from condetr.data.columns.column_file import ColumnFile
from condetr.data.columns.outlines import outline_of
from condetr.data.records import Annotated, Example, Object
from condetr.data.stored_images import ImagePart
from condetr.images.sizes import HeightWidth


@dataclass(frozen=True, slots=True, eq=False)
class ObjectColumns:
    """Objects of one kind, image after image.

    Attributes:
        images: the position of the image of each.
        labels: contiguous classes.
        boxes: x1, y1, x2, y2 in pixels.
        areas: in pixels.
    """

    images: Int64[np.ndarray, "objects"]
    labels: Int64[np.ndarray, "objects"]
    boxes: Float64[np.ndarray, "objects 4"]
    areas: Float64[np.ndarray, "objects"]


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedColumns:
    """Attributes: x, y, width, height and area of each object; its position among the annotations of the source."""

    values: Float64[np.ndarray, "objects 5"]
    orders: Int64[np.ndarray, "objects"]


class ExampleColumns(Sequence[Example]):
    """Images and their objects, all of some columns or those at some positions."""

    def __init__(
        self,
        arrays: ExampleArrays,
        positions: Int64[np.ndarray, "_"] | None = None,
        *,
        file: ColumnFile | None = None,
    ) -> None:
        """Examples over arrays, which are shared, not copied.

        Args:
            arrays: the columns.
            positions: in them, in the order of the sequence; None for all.
            file: that the arrays are mapped from; another process gets its name instead of their content.
        """
        self.arrays, self.positions, self.file = arrays, positions, file

    def __len__(self) -> int:
        return len(self.arrays.sizes) if self.positions is None else len(self.positions)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> "ExampleColumns": ...
    def __getitem__(self, index: int | slice) -> "Example | ExampleColumns":
        if isinstance(index, slice):
            return self.chosen(range(len(self))[index])
        number = range(len(self))[index]
        return self._example(number if self.positions is None else int(self.positions[number]))

    def __iter__(self) -> Iterator[Example]:
        return map(self._example, range(len(self)) if self.positions is None else self.positions.tolist())

    def chosen(self, positions: Iterable[int]) -> "ExampleColumns":
        """Those at some positions of this sequence; the arrays are shared."""
        numbers = np.fromiter(positions, dtype=np.int64)
        return ExampleColumns(self.arrays, self._all[numbers], file=self.file)

    @property
    def sizes(self) -> Int64[np.ndarray, "images 2"]:
        """(height, width) of the images."""
        return self._of_images(self.arrays.sizes).astype(np.int64)

    @property
    def image_ids(self) -> list[Id]:
        kinds, numbers = self._of_images(self.arrays.image_id_kinds), self._of_images(self.arrays.image_ids)
        pairs = zip(kinds.tolist(), numbers.tolist(), strict=True)
        return [self._text(number) if kind == TEXT else number for kind, number in pairs]

    @property
    def paths(self) -> list[bytes]:
        """Of the image files, as the file system has them."""
        blob, ends = self.arrays.paths.tobytes(), self.arrays.path_ends.tolist()
        return [blob[ends[number] : ends[number + 1]] for number in self._all.tolist()]

    @property
    def has_segments(self) -> Bool[np.ndarray, "images"]:
        """Whether an image has a PNG of its segments."""
        return self._of_images(np.diff(self.arrays.segment_ends) > 0)

    def counts(self, kind: str = "objects") -> Int64[np.ndarray, "images"]:
        """How many objects of a kind, see `KINDS`, each image has."""
        first, last = self._bounds(kind)
        return last - first

    def objects(self, kind: str = "objects") -> ObjectColumns:
        """The objects of a kind, see `KINDS`, of all images."""
        images, rows = self._rows(kind)
        arrays = self.arrays
        return ObjectColumns(images, arrays.labels[rows].astype(np.int64), arrays.boxes[rows], arrays.areas[rows])

    def annotated(self, kind: str = "objects") -> AnnotatedColumns:
        """The same objects as their source states them, which COCO's AP compares with."""
        _, rows = self._rows(kind)
        arrays = self.arrays
        boxes = arrays.boxes[rows]
        values = np.column_stack((boxes[:, :2], boxes[:, 2:] - boxes[:, :2], arrays.areas[rows]))
        stated = arrays.annotated_rows[rows]
        values[stated >= 0] = arrays.annotated[stated[stated >= 0]]
        return AnnotatedColumns(values, arrays.orders[rows])

    def _rows(self, kind: str) -> tuple[Int64[np.ndarray, "objects"], Int64[np.ndarray, "objects"]]:
        """The position of the image of each object, and its row."""
        first, last = self._bounds(kind)
        counts = last - first
        images = np.repeat(np.arange(len(self), dtype=np.int64), counts)
        before = np.cumsum(counts) - counts
        return images, np.arange(len(images), dtype=np.int64) + np.repeat(first - before, counts)

    @cached_property
    def _all(self) -> Int64[np.ndarray, "images"]:
        return np.arange(len(self), dtype=np.int64) if self.positions is None else self.positions

    def remembered(self, key: str, compute: Callable[[], str]) -> str:
        """A hash that is computed once: for this sequence, and where it has a file, for all that use the file.

        Args:
            key: what it depends on, besides the examples.
            compute: called where it is not known yet.
        """
        if key not in self._hashes:
            positions = b"" if self.positions is None else self.positions.tobytes()
            name = hashlib.sha256(key.encode() + positions).hexdigest()[:16]
            self._hashes[key] = compute() if self.file is None else self.file.remembered(name, compute)
        return self._hashes[key]

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        if self.file is None:
            return ExampleColumns, (self.arrays, self.positions)
        return mapped, (self.file, self.positions)

    def _of_images(self, column: np.ndarray) -> np.ndarray:
        return column if self.positions is None else column[self.positions]

    def _bounds(self, kind: str) -> tuple[Int64[np.ndarray, "images"], Int64[np.ndarray, "images"]]:
        at, ends = KINDS.index(kind), self.arrays.object_ends
        first, last = ends[at : -1 : len(KINDS)], ends[at + 1 :: len(KINDS)]
        return self._of_images(first), self._of_images(last)

    def _example(self, number: int) -> Example:
        arrays = self.arrays
        height, width = arrays.sizes[number].tolist()
        size: HeightWidth = (height, width)
        first = len(KINDS) * number
        ends = arrays.object_ends[first : first + len(KINDS) + 1].tolist()
        objects, crowds, lost, lost_crowds = map(self._objects, ends[:-1], ends[1:])
        path, segments = _path(arrays.paths, arrays.path_ends, number), None
        if arrays.segment_ends[number] < arrays.segment_ends[number + 1]:
            segments = _path(arrays.segments, arrays.segment_ends, number)
        image_id = self._id(int(arrays.image_id_kinds[number]), int(arrays.image_ids[number]))
        assert image_id is not None, "every image has an id"
        depth, start, end = arrays.parts[number].tolist()
        part = ImagePart(depth, start, end) if depth else None
        return Example(path, size, image_id, objects, crowds, segments, lost, lost_crowds, part)

    def _objects(self, first: int, last: int) -> tuple[Object, ...]:
        if first == last:
            return ()
        arrays, rows = self.arrays, slice(first, last)
        ends = arrays.outline_ends[first : last + 1].tolist()
        columns = zip(
            arrays.labels[rows].tolist(),
            map(tuple, arrays.boxes[rows].tolist()),
            arrays.areas[rows].tolist(),
            map(self._id, arrays.id_kinds[rows].tolist(), arrays.ids[rows].tolist()),
            (outline_of(arrays.outlines[start:end].tobytes()) for start, end in pairwise(ends)),
            map(self._annotated, arrays.annotated_rows[rows].tolist()),
            arrays.orders[rows].tolist(),
            map(arrays.mark_sets.__getitem__, arrays.marks[rows].tolist()),
            strict=True,
        )
        return tuple(Object(*fields) for fields in columns)

    def _id(self, kind: int, number: int) -> Id | None:
        return None if kind == NO_ID else self._text(number) if kind == TEXT else number

    def _text(self, number: int) -> str:
        start, end = self.arrays.text_ends[number : number + 2].tolist()
        return self.arrays.texts[start:end].tobytes().decode("utf-8", "surrogatepass")

    def _annotated(self, row: int) -> Annotated | None:
        return None if row < 0 else Annotated(*self.arrays.annotated[row].tolist())


def mapped(file: ColumnFile, positions: Int64[np.ndarray, "_"] | None = None) -> ExampleColumns:
    """The examples at some positions of a file.

    Raises:
        DamagedError: it is not complete.
        OSError: it cannot be read.
    """
    return ExampleColumns(file.arrays(), positions, file=file)


def _path(blob: np.ndarray, ends: np.ndarray, number: int) -> Path:
    start, end = ends[number : number + 2].tolist()
    return Path(os.fsdecode(blob[start:end].tobytes()))
