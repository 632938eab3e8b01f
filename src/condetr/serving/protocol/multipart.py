"""The images of a multipart/form-data body (RFC 7578): every part is one, and names in the form are ignored."""

import re
from typing import NamedTuple

from condetr.serving.protocol.http_errors import Refused

_BOUNDARY = re.compile(r'(?:^|;)\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_MAX_HEAD = 8192  # bytes of the headers of a part


class _Part(NamedTuple):
    start: int
    end: int
    next: int | None


def image_parts(body: bytes, content_type: str, max_images: int) -> list[bytes]:
    """The contents of the parts, of which there may be so many.

    Raises:
        Refused: it is malformed, or has more parts.
    """
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise _malformed("the content type has no boundary of 1 to 70 characters")
    boundary = b"--" + (match[1] or match[2]).encode("latin-1", "replace")
    if not body.startswith(boundary + b"\r\n"):
        raise _malformed("it does not begin with the boundary of the content type")
    parts: list[_Part] = []
    at: int | None = len(boundary)
    while at is not None:
        if len(parts) == max_images:
            raise _malformed(f"it has more than {max_images} parts, the most images of a request")
        parts.append(_part(body, boundary, at))
        at = parts[-1].next
    return [body[part.start : part.end] for part in parts]


def _part(body: bytes, boundary: bytes, at: int) -> _Part:
    """The part whose boundary ends at ``at``, where a line break follows."""
    start = body.find(b"\r\n\r\n", at, at + 2 + _MAX_HEAD)
    if start < 0:
        raise _malformed(f"the headers of a part do not end within {_MAX_HEAD} bytes")
    end = body.find(b"\r\n" + boundary, start + 2)
    if end < 0:
        raise _malformed("its last boundary is missing")
    after = end + 2 + len(boundary)
    mark = body[after : after + 2]
    if mark not in (b"--", b"\r\n"):
        raise _malformed("a boundary is followed by neither a line break nor two hyphens")
    return _Part(start + 4, max(end, start + 4), None if mark == b"--" else after)


def _malformed(reason: str) -> Refused:
    return Refused(400, "multipart", f"the form cannot be read: {reason}")
