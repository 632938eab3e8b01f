"""Segmentations as bytes, from which the same values come back, numbers with and without a point included.

The first byte says how the others are read: nothing; polygons of floats; polygons in which some numbers are integers,
as COCO's often are; or JSON, for run lengths and whatever else a source states.
"""

import json
from array import array
from itertools import chain
from typing import Any

import numpy as np

_FLOATS, _MIXED, _JSON = b"f", b"m", b"j"
_EXACT = 2**53  # an integer beyond it is no float


class NotJsonError(ValueError):
    """A segmentation holds what no label file could."""


def packed_outline(segmentation: Any) -> bytes:
    """The bytes of a segmentation; none for None.

    Raises:
        NotJsonError: it holds something else than lists, mappings, texts and numbers.
    """
    if segmentation is None:
        return b""
    if type(segmentation) is list and segmentation and {list} == set(map(type, segmentation)):
        kinds = set(map(type, chain.from_iterable(segmentation)))
        if kinds == {float}:
            return _FLOATS + _polygons(segmentation)
        if kinds in ({int, float}, {int}):
            whole = [type(number) is int for number in chain.from_iterable(segmentation)]
            if all(-_EXACT < number < _EXACT for number in chain.from_iterable(segmentation) if type(number) is int):
                return _MIXED + _polygons(segmentation) + np.packbits(whole).tobytes()
    try:
        text = json.dumps(segmentation)
    except (TypeError, ValueError) as error:
        raise NotJsonError(f"a segmentation cannot be kept: {error}") from error
    if not _is_same(json.loads(text), segmentation):
        raise NotJsonError(f"a segmentation of type {type(segmentation).__name__} cannot be kept")
    return _JSON + text.encode()


def outline_of(content: bytes) -> Any:
    """The segmentation that `packed_outline` made these bytes of."""
    if not content:
        return None
    if content[:1] == _JSON:
        return json.loads(content[1:])
    count = int.from_bytes(content[1:5], "little")
    lengths = np.frombuffer(content, "<u4", count, 5).tolist()
    first = 5 + 4 * count
    total = sum(lengths)
    numbers: list[int | float] = np.frombuffer(content, "<f8", total, first).tolist()
    if content[:1] == _MIXED:
        whole = np.unpackbits(np.frombuffer(content, np.uint8, offset=first + 8 * total), count=total).tolist()
        numbers = [int(number) if flag else number for number, flag in zip(numbers, whole, strict=True)]
    polygons, at = [], 0
    for length in lengths:
        polygons.append(numbers[at : at + length])
        at += length
    return polygons


def _polygons(polygons: list[list[int | float]]) -> bytes:
    lengths = np.array([len(polygons), *map(len, polygons)], dtype="<u4")
    numbers = array("d", chain.from_iterable(polygons))
    return lengths.tobytes() + np.asarray(numbers, dtype="<f8").tobytes()


def _is_same(value: Any, other: Any) -> bool:
    """Whether two values of JSON are equal in their types, too; NaN is the same as NaN."""
    if type(value) is not type(other):
        return False
    if isinstance(value, dict):
        return list(value) == list(other) and all(map(_is_same, value.values(), other.values()))
    if isinstance(value, list):
        return len(value) == len(other) and all(map(_is_same, value, other))
    return repr(value) == repr(other)
