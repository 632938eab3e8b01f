"""Fields of a JSON object, taken out of it as what they must be."""

import math
from collections.abc import Mapping
from typing import Any

from condetr.data.checks.data_report import Fault, Place, shown
from condetr.data.checks.problems import Reason
from condetr.data.classes import Id

_CROWDS = {"": False, "0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


def object_of(given: object) -> Mapping[str, Any]:
    """A JSON object.

    Raises:
        Fault: it is something else.
    """
    if not isinstance(given, Mapping):
        raise Fault(Reason.BAD_FIELD, f"is {shown(given)}, expected an object")
    return given


def id_of(table: Mapping[str, Any], field: str) -> Id:
    """A whole number of 64 bits, as every reader of COCO can hold, or text.

    Raises:
        Fault: it is missing or something else.
    """
    if field not in table:
        raise Fault(Reason.BAD_FIELD, f"has no {field}")
    given = table[field]
    if isinstance(given, str) and given:
        return given
    if type(given) is not int:
        said = f"{field} is {shown(given)} of type {type(given).__name__}, expected a whole number or text"
        raise Fault(Reason.BAD_FIELD, said)
    if not -(2**63) <= given < 2**63:
        raise Fault(Reason.BAD_FIELD, f"{field} {shown(given)} does not fit into 64 bits")
    return given


def box_of(given: object) -> tuple[float, float, float, float]:
    """Four numbers, perhaps not finite ones.

    Raises:
        Fault: it is something else.
    """
    if not isinstance(given, list):
        raise Fault(Reason.BAD_FIELD, f"bbox is {shown(given)}, expected 4 numbers: x, y, width, height")
    if len(given) != 4:
        said = f"bbox {shown(given)} has {len(given)} values, expected 4: x, y, width, height"
        raise Fault(Reason.BAD_FIELD, said)
    if not {type(number) for number in given} <= {int, float}:  # not isinstance: true and false are no numbers
        raise Fault(Reason.BAD_FIELD, f"bbox {shown(given)} holds something else than numbers")
    x, y, width, height = map(as_float, given)
    return x, y, width, height


def crowd_of(table: Mapping[str, Any], place: Place) -> bool:
    """Whether ``iscrowd`` is 1; null, NaN and text, as tables are exported, are taken as what they must mean, and told.

    Raises:
        Fault: it is something else.
    """
    given = table.get("iscrowd", 0)
    if isinstance(given, int | float) and given in (0, 1):
        return bool(given)
    meant = False if given is None or given != given else None  # noqa: PLR0124  NaN
    if isinstance(given, str):
        meant = _CROWDS.get(given.strip().lower())
    if meant is None:
        raise Fault(Reason.BAD_FIELD, f"iscrowd is {shown(given)}, expected 0 or 1")
    place.add(Reason.CONVERTED_FIELD, f"iscrowd is {shown(given)}, taken as {int(meant)}")
    return meant


def as_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number beyond 1e308
        return math.inf
