"""The one image of a multipart/form-data body (RFC 7578).

One part is all that is looked for, so nothing here grows with the number of parts, and no name in it is used.
"""

import re

from condetr.serving.protocol.http_errors import Refused

_BOUNDARY = re.compile(r'(?:^|;)\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_MOST_HEAD = 8192  # bytes of the header of a part


def image_in_form(body: bytes, content_type: str) -> bytes:
    """The content of the part.

    Raises:
        Refused: it is malformed, or there is more than one part.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _malformed("the content type names no boundary of 1 to 70 characters")
    boundary = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
    if not body.startswith(boundary + b"\r\n"):
        raise _malformed("it does not begin with the boundary that the content type names")
    head = len(boundary) + 2
    start = body.find(b"\r\n\r\n", len(boundary), head + _MOST_HEAD)
    if start < 0:
        raise _malformed(f"the head of its part has no end, or is longer than {_MOST_HEAD} bytes")
    end = body.find(b"\r\n" + boundary, start + 2)
    if end < 0:
        raise _malformed("its last boundary is missing")
    after = end + 2 + len(boundary)
    if body[after : after + 2] != b"--":
        raise _malformed("there is more than one part; send one image a request")
    return body[start + 4 : max(end, start + 4)]


def _malformed(reason: str) -> Refused:
    return Refused(400, "multipart", f"the form cannot be read: {reason}")
