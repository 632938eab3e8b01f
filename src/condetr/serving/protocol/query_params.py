"""The query parameters of ``/predict``: ``threshold`` and ``masks``."""

import difflib
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from condetr.serving.protocol.http_errors import Refused

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_NAMES = ("threshold", "masks")


@dataclass(frozen=True, slots=True)
class PredictParams:
    threshold: float | int
    masks: bool = False


def read_params(query: QueryParams, *, threshold: float, gives_masks: bool) -> PredictParams:
    """The parameters of a request, with ``threshold`` as the default.

    Raises:
        Refused: a parameter is unknown, duplicate, or has an invalid value.
    """
    for name, _ in query.multi_items():
        if name not in _NAMES:
            nearest = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.0)[0]
            raise _invalid(f"{name[:40]!r} is no parameter; did you mean {nearest}? known: {', '.join(_NAMES)}")
        if len(query.getlist(name)) > 1:
            raise _invalid(f"{name} is given more than once")
    masks = query.get("masks", "false").lower()
    if masks not in _BOOLEANS:
        raise _invalid(f"masks is {masks[:40]!r}, expected true or false")
    if _BOOLEANS[masks] and not gives_masks:
        raise _invalid("this model detects boxes and gives no masks")
    return PredictParams(_threshold(query["threshold"]) if "threshold" in query else threshold, _BOOLEANS[masks])


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise _invalid(f"threshold is {text[:40]!r}, expected a number from 0 to 1")
    return value


def _invalid(reason: str) -> Refused:
    return Refused(400, "usage", reason, unread=True)  # the body is not read before
