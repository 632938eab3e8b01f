"""JSON in a request, whose memory is bounded before it is parsed."""

import json
from collections.abc import Mapping
from typing import Any

from condetr.serving.protocol.http_errors import Refused

COPIES = 3  # of the body in memory: the body, its strings, and the images that they hold
VALUE_BYTES = 64  # of a value in memory; an empty list takes 2 bytes of JSON
_MAX_VALUES = 10_000


def object_in(body: bytes, max_values: int = _MAX_VALUES) -> Mapping[str, Any]:
    """The JSON object in a body of at most so many values.

    Raises:
        Refused: it is malformed, or has too many values.
    """
    if value_count(body) > max_values:
        raise malformed(f"the body has more than {max_values} values")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise malformed("the body is no JSON object")
    return content


def value_count(body: bytes) -> int:
    """The number of values in a JSON body, or more where its strings hold commas and brackets."""
    return sum(map(body.count, (b",", b"[", b"{")))


def malformed(reason: str) -> Refused:
    return Refused(400, "json", reason)
