"""The one image of a multipart/form-data body (RFC 7578).

Exactly one part is accepted, so that the work does not grow with the number of parts; names in the form are ignored.
"""

import re

from condetr.serving.protocol.http_errors import Refused

_BOUNDARY = re.compile(r'(?:^|;)\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_MAX_HEAD = 8192  # bytes of the headers of a part


def image_part(body: bytes, content_type: str) -> bytes:
    """The content of the part.

    Raises:
        Refused: it is malformed, or there is more than one part.
    """
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise _malformed("the content type has no boundary of 1 to 70 characters")
    boundary = b"--" + (match[1] or match[2]).encode("latin-1", "replace")
    if not body.startswith(boundary + b"\r\n"):
        raise _malformed("it does not begin with the boundary of the content type")
    head = len(boundary) + 2
    start = body.find(b"\r\n\r\n", len(boundary), head + _MAX_HEAD)
    if start < 0:
        raise _malformed(f"the headers of its part do not end within {_MAX_HEAD} bytes")
    end = body.find(b"\r\n" + boundary, start + 2)
    if end < 0:
        raise _malformed("its last boundary is missing")
    after = end + 2 + len(boundary)
    if body[after : after + 2] != b"--":
        raise _malformed("it has more than one part; send one image per request")
    return body[start + 4 : max(end, start + 4)]


def _malformed(reason: str) -> Refused:
    return Refused(400, "multipart", f"the form cannot be read: {reason}")
