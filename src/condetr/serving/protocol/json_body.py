"""JSON in a request, whose memory is bounded before it is parsed."""

import json
from collections.abc import Mapping
from typing import Any

from condetr.serving.protocol.http_errors import Refused

COPIES = 3  # of the body in memory: the body, its strings, and the images that they hold
_MAX_VALUES = 10_000  # an empty list takes 2 bytes of JSON and 64 of memory


def object_in(body: bytes, most_values: int | None = _MAX_VALUES) -> Mapping[str, Any]:
    """The JSON object in a body, of at most so many values where that is given.

    Raises:
        Refused: it is malformed, or has too many values.
    """
    if most_values is not None and sum(map(body.count, (b",", b"[", b"{"))) > most_values:
        raise malformed(f"the body has more than {most_values} values")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise malformed("the body is no JSON object")
    return content


def malformed(reason: str) -> Refused:
    return Refused(400, "json", reason)
