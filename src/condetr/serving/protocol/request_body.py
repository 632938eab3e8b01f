"""The body of a request, within limits of size and time."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from condetr.serving.limits import Limits
from condetr.serving.protocol.http_errors import Refused


async def read_body(request: Request, limits: Limits, take: Callable[[int], None], *, copies: int = 1) -> bytes:
    """The whole body.

    Args:
        request: the request.
        limits: of its size and time.
        take: takes bytes from the memory budget.
        copies: of the body that will be in memory.

    Raises:
        Refused: it is compressed, too large or too slow.
        ClientDisconnect: the client has disconnected.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        reason = f"the Content-Encoding {encoding[:40]!r} is not supported: send the body uncompressed"
        raise Refused(415, "encoding", reason, unread=True)
    max_bytes = min(limits.body_bytes, limits.all_bytes // copies)
    too_large = Refused(413, "too_large", f"the request is over the limit of {max_bytes} bytes", unread=True)
    declared = request.headers.get("content-length", "0")
    if int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                if len(body) + len(chunk) > max_bytes:
                    raise too_large
                take(copies * len(chunk))
                body += chunk
    except TimeoutError:
        reason = f"the body did not arrive within {limits.body_seconds:g} s"
        raise Refused(408, "timeout", reason, unread=True) from None
    return bytes(body)
