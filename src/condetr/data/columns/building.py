"""Records of any reader, made into columns."""

import os
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from condetr.data.columns.arrays import KINDS, NO_ID, NUMBER, TEXT, ExampleArrays
from condetr.data.columns.examples import ExampleColumns
from condetr.data.columns.outlines import NotJsonError, packed_outline
from condetr.data.records import Example, Object

_NONE = -1


class InexactError(ValueError):
    """A field of a record does not come back from columns as it is."""


def columns_of(examples: Iterable[Example], *, exact: bool = True) -> ExampleColumns:
    """The same examples as columns; those that are columns already are returned.

    Args:
        examples: of any reader.
        exact: whether the same records must come back; else values are converted, and segmentations are left out,
            which counting and measuring do not need.

    Raises:
        InexactError: a field has another type, or a larger value, than columns can hold.
    """
    if isinstance(examples, ExampleColumns):
        return examples
    builder = _Builder(exact=exact)
    try:
        for example in examples:
            builder.add(example)
        return ExampleColumns(builder.arrays())
    except (NotJsonError, OverflowError, TypeError, UnicodeError) as error:  # of array, and of os.fsencode
        raise InexactError(str(error)) from error


class _Builder:
    def __init__(self, *, exact: bool) -> None:
        self._exact = exact
        self._paths, self._segments, self._texts, self._outline = _Blob(), _Blob(), _Blob(), _Blob()
        self._sizes, self._image_ids, self._image_id_kinds = array("i"), array("q"), array("B")
        self._parts = array("q")
        self._object_ends = array("q", [0])
        self._boxes, self._labels, self._areas = array("d"), array("i"), array("d")
        self._ids, self._id_kinds, self._orders, self._marks = array("q"), array("B"), array("q"), array("h")
        self._annotated, self._annotated_rows = array("d"), array("i")
        self._mark_sets: dict[tuple[str, ...], int] = {}

    def add(self, example: Example) -> None:
        self._paths.add(os.fsencode(example.path))
        self._segments.add(b"" if example.segments is None else os.fsencode(example.segments))
        self._parts.extend(example.part or (0, 0, 0))
        self._sizes.extend(example.size)
        self._add_id(example.image_id, self._image_ids, self._image_id_kinds)
        for kind in KINDS:
            for labeled in getattr(example, kind):
                self._add_object(labeled)
            self._object_ends.append(len(self._labels))

    def _add_object(self, labeled: Object) -> None:
        box, annotated = labeled.box, labeled.annotated
        if self._exact and (set(map(type, box)) != {float} or type(labeled.area) is not float):
            raise InexactError(f"box {box} with area {labeled.area} is not of floats")
        self._boxes.extend(box)
        self._labels.append(labeled.label)
        self._areas.append(labeled.area)
        self._add_id(labeled.id, self._ids, self._id_kinds)
        self._orders.append(labeled.order)
        self._marks.append(self._mark_sets.setdefault(labeled.marks, len(self._mark_sets)))
        if annotated is None:
            self._annotated_rows.append(_NONE)
        else:
            if self._exact and set(map(type, annotated)) != {float}:
                raise InexactError(f"{annotated} is not of floats")
            self._annotated_rows.append(len(self._annotated) // len(annotated))
            self._annotated.extend(annotated)
        self._outline.add(packed_outline(labeled.segmentation) if self._exact else b"")

    def _add_id(self, value: Any, numbers: "array[int]", kinds: "array[int]") -> None:
        if not self._exact and not isinstance(value, str | None):
            value = int(value)  # of numpy
        if value is None:
            numbers.append(0)
            kinds.append(NO_ID)
        elif type(value) is int:
            numbers.append(value)
            kinds.append(NUMBER)
        elif type(value) is str:
            numbers.append(self._texts.add(value.encode("utf-8", "surrogatepass")))
            kinds.append(TEXT)
        else:
            raise InexactError(f"id {value!r} is of type {type(value).__name__}")

    def arrays(self) -> ExampleArrays:
        return ExampleArrays(
            paths=self._paths.content(),
            path_ends=self._paths.bounds(),
            segments=self._segments.content(),
            segment_ends=self._segments.bounds(),
            parts=np.array(self._parts, dtype=np.int64).reshape(-1, 3),
            sizes=np.array(self._sizes, dtype=np.int32).reshape(-1, 2),
            image_ids=np.array(self._image_ids, dtype=np.int64),
            image_id_kinds=np.array(self._image_id_kinds, dtype=np.uint8),
            object_ends=np.array(self._object_ends, dtype=np.int64),
            boxes=np.array(self._boxes, dtype=np.float64).reshape(-1, 4),
            labels=np.array(self._labels, dtype=np.int32),
            areas=np.array(self._areas, dtype=np.float64),
            ids=np.array(self._ids, dtype=np.int64),
            id_kinds=np.array(self._id_kinds, dtype=np.uint8),
            orders=np.array(self._orders, dtype=np.int64),
            marks=np.array(self._marks, dtype=np.int16),
            annotated=np.array(self._annotated, dtype=np.float64).reshape(-1, 5),
            annotated_rows=np.array(self._annotated_rows, dtype=np.int32),
            outlines=self._outline.content(),
            outline_ends=self._outline.bounds(),
            texts=self._texts.content(),
            text_ends=self._texts.bounds(),
            mark_sets=tuple(self._mark_sets),
        )


class _Blob:
    """Byte strings, one behind the other."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._bounds = array("q", [0])

    def add(self, content: bytes) -> int:
        """Its position among the strings."""
        self._content += content
        self._bounds.append(len(self._content))
        return len(self._bounds) - 2

    def content(self) -> np.ndarray:
        return np.frombuffer(self._content, dtype=np.uint8)

    def bounds(self) -> np.ndarray:
        return np.array(self._bounds, dtype=np.int64)
