"""What a caller may add to ``/predict``: ``threshold`` and ``masks``."""

import difflib
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from condetr.serving.protocol.http_errors import Refused

_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_KNOWN = ("threshold", "masks")


@dataclass(frozen=True, slots=True)
class Question:
    threshold: float | int
    masks: bool = False


def question_of(given: QueryParams, *, threshold: float, gives_masks: bool) -> Question:
    """What is asked for; ``threshold`` unless the caller says otherwise.

    Raises:
        Refused: a parameter is unknown, given twice, or of a value that cannot be.
    """
    for name, _ in given.multi_items():
        if name not in _KNOWN:
            nearest = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.0)[0]
            raise _unusable(f"{name[:40]!r} is no parameter; the nearest is {nearest}, known are {', '.join(_KNOWN)}")
        if len(given.getlist(name)) > 1:
            raise _unusable(f"{name} is given more than once")
    masks = given.get("masks", "false").lower()
    if masks not in _TRUTH:
        raise _unusable(f"masks is {masks[:40]!r}, expected true or false")
    if _TRUTH[masks] and not gives_masks:
        raise _unusable("this model finds boxes, and no masks")
    return Question(_threshold(given["threshold"]) if "threshold" in given else threshold, _TRUTH[masks])


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise _unusable(f"threshold is {text[:40]!r}, expected a number from 0 to 1")
    return value


def _unusable(reason: str) -> Refused:
    return Refused(400, "usage", reason, unread=True)  # nothing is read before
