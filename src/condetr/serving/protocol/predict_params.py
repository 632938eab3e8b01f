"""The parameters of a prediction, ``threshold`` and ``masks``, in the query or in the JSON body of a request."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from starlette.datastructures import QueryParams

from condetr.serving.protocol.http_errors import Refused

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
NAMES = ("threshold", "masks")

Values: TypeAlias = Mapping[str, float | int | bool]


@dataclass(frozen=True, slots=True)
class PredictParams:
    threshold: float | int
    masks: bool = False


@dataclass(frozen=True, slots=True)
class Defaults:
    """What requests may ask for, and what holds if they do not.

    Attributes:
        threshold: of requests without one.
        gives_masks: whether the model is a segmenter.
    """

    threshold: float | int
    gives_masks: bool

    def params_of(self, values: Values, *, unread: bool = False) -> PredictParams:
        """The parameters of a request.

        Args:
            values: from its query and body.
            unread: whether its body was not read yet.

        Raises:
            Refused: the model gives no masks.
        """
        masks = bool(values.get("masks", False))
        if masks and not self.gives_masks:
            raise _invalid("this model detects boxes and gives no masks", unread=unread)
        return PredictParams(values.get("threshold", self.threshold), masks)


def query_values(query: QueryParams) -> Values:
    """The values in the query of a request whose body was not read yet.

    Raises:
        Refused: a parameter is unknown, duplicate, or has an invalid value.
    """
    values: dict[str, float | int | bool] = {}
    check_names((name for name, _ in query.multi_items()), NAMES, unread=True)
    for name, text in query.multi_items():
        if name in values:
            raise _invalid(f"{name} is given more than once", unread=True)
        values[name] = _boolean(text) if name == "masks" else _number(text)
    return values


def json_values(content: Mapping[str, object], known: tuple[str, ...] = NAMES) -> Values:
    """The values in a JSON object, whose other names are ``known``; ``null`` counts as absent.

    Raises:
        Refused: a parameter is unknown, or has an invalid value.
    """
    check_names(content, known)
    values: dict[str, float | int | bool] = {}
    threshold, masks = content.get("threshold"), content.get("masks")
    if threshold is not None:
        is_number = isinstance(threshold, float | int) and not isinstance(threshold, bool)
        values["threshold"] = _in_range(threshold if is_number else None, threshold, unread=False)
    if masks is not None:
        if not isinstance(masks, bool):
            raise _invalid(f"masks is {str(masks)[:40]!r}, expected true or false")
        values["masks"] = masks
    return values


def check_names(names: Iterable[str], known: tuple[str, ...], *, unread: bool = False) -> None:
    for name in names:
        if name not in known:
            nearest = difflib.get_close_matches(name[:40], known, n=1, cutoff=0.0)[0]
            reason = f"{name[:40]!r} is no parameter; did you mean {nearest}? known: {', '.join(known)}"
            raise _invalid(reason, unread=unread)


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise _invalid(f"masks is {text[:40]!r}, expected true or false", unread=True)
    return _BOOLEANS[text.lower()]


def _number(text: str) -> float | int:
    try:
        value = float(text)
    except ValueError:
        value = None
    return _in_range(value, text, unread=True)


def _in_range(value: object, original: object, *, unread: bool) -> float | int:
    if isinstance(value, float | int) and 0 <= value <= 1:
        return value
    raise _invalid(f"threshold is {str(original)[:40]!r}, expected a number from 0 to 1", unread=unread)


def _invalid(reason: str, *, unread: bool = False) -> Refused:
    return Refused(400, "usage", reason, unread=unread)
