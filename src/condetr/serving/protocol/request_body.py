"""The image of a request, within limits of size and time."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from condetr.serving.limits import Limits
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.multipart import image_part


async def read_image(request: Request, limits: Limits, take: Callable[[int], None]) -> bytes:
    """The encoded image in the body: the body itself, or the one part of a form.

    Args:
        request: the request.
        limits: of its size and time.
        take: takes bytes from the memory budget.

    Raises:
        Refused: it is too large, too slow, or holds no image.
        ClientDisconnect: the client has disconnected.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        raise Refused(400, "json", "URL input is disabled, and JSON is not accepted: send the image as the body")
    body = await read_body(request, limits, take)
    if not body:
        raise Refused(400, "empty", "the body is empty; send an image as the body or as one part of a form")
    return image_part(body, content_type) if kind == "multipart/form-data" else body


async def read_body(request: Request, limits: Limits, take: Callable[[int], None]) -> bytes:
    """The whole body.

    Raises:
        Refused: it is too large or too slow.
        ClientDisconnect: the client has disconnected.
    """
    max_bytes = limits.body_bytes
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
                take(len(chunk))
                body += chunk
    except TimeoutError:
        reason = f"the body did not arrive within {limits.body_seconds:g} s"
        raise Refused(408, "timeout", reason, unread=True) from None
    return bytes(body)
