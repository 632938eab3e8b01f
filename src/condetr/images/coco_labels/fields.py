"""Fields of COCO annotations, each checked for its kind: for the labels of one image and for whole datasets.

Messages begin with a verb; callers add the file and the annotation.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from condetr.core.short_repr import short_repr


class FieldError(ValueError):
    """A field is missing or of the wrong kind."""


class SegmentationError(ValueError):
    """A segmentation is missing, of the wrong kind, or contradicts itself or the image."""


def mapping_of(value: object) -> Mapping[str, Any]:
    """``value``, a JSON object."""
    if not isinstance(value, Mapping):
        raise FieldError(f"is {short_repr(value)}, expected an object")
    return value


def required(record: Mapping[str, Any], field: str) -> Any:
    if field not in record:
        raise FieldError(f"has no {field}")
    return record[field]


def whole_number(record: Mapping[str, Any], field: str, *, least: int = -(2**63)) -> int:
    """A whole number of 64 bits that is not below ``least``."""
    value = required(record, field)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        expected = "a whole number of 64 bits" if least < 0 else f"a whole number of at least {least}"
        raise _wrong(field, value, expected)
    return value


def id_of(record: Mapping[str, Any], field: str) -> int | str:
    """A whole number of 64 bits, or text."""
    value = record.get(field)
    if (type(value) is int and -(2**63) <= value < 2**63) or (isinstance(value, str) and value):
        return value
    required(record, field)
    raise _wrong(field, value, "a whole number of 64 bits, or text")


def file_name_of(record: Mapping[str, Any]) -> str:
    name = required(record, "file_name")
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise FieldError(f"has file_name {short_repr(name)}, expected a file name")
    return name


def box_of(record: Mapping[str, Any], *, finite: bool = True) -> tuple[float, float, float, float]:
    """``bbox``: x, y, width, height. Unless ``finite``, they may be infinite or not a number."""
    box = required(record, "bbox")
    if isinstance(box, str) or not isinstance(box, Sequence) or len(box) != 4:
        raise FieldError(f"has bbox {short_repr(box)}, expected 4 numbers: x, y, width, height")
    x, y, width, height = box
    if finite or set(map(type, box)) != {float}:  # else as in nearly all of COCO
        x, y, width, height = (number_of(number, "bbox", finite=finite) for number in box)
    return x, y, width, height


def number_of(value: object, field: str, *, finite: bool = True) -> float:
    number = as_float(value)
    if number is None or (finite and not math.isfinite(number)):
        raise _wrong(field, value, f"a {'finite ' if finite else ''}number")
    return number


def as_float(value: object) -> float | None:
    """A JSON number, infinite beyond 1e308; None for anything else."""
    if type(value) is float:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _wrong(field: str, value: object, expected: str) -> FieldError:
    return FieldError(f"has {field} {short_repr(value)} of type {type(value).__name__}, expected {expected}")
