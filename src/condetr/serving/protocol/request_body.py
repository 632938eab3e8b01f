"""The image of a request, within the limits of its size and time."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request

from condetr.serving.limits import Limits
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.multipart import image_in_form


async def image_of_request(request: Request, limits: Limits, take: Callable[[int], None]) -> bytes:
    """The encoded image in the body: the body itself, or the one part of a form.

    Args:
        request: whose body.
        limits: of its size and time.
        take: counts bytes that will be in memory.

    Raises:
        Refused: it is too large, too slow, or cannot hold an image.
        ClientDisconnect: nobody is there any more.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        raise Refused(400, "json", "URL input is disabled, and JSON is not read: send the image as the body")
    body = await _body(request, limits, take)
    if not body:
        raise Refused(400, "empty", "the body is empty; send an image as the body or as one part of a form")
    return image_in_form(body, content_type) if kind == "multipart/form-data" else body


async def _body(request: Request, limits: Limits, take: Callable[[int], None]) -> bytes:
    most = limits.body_bytes
    too_large = Refused(413, "too_large", f"the request is over the limit of {most} bytes", unread=True)
    declared = request.headers.get("content-length", "0")
    if int(declared) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                if len(body) + len(chunk) > most:
                    raise too_large
                take(len(chunk))
                body += chunk
    except TimeoutError:
        reason = f"the body was not there within {limits.body_seconds:g} s"
        raise Refused(408, "timeout", reason, unread=True) from None
    return bytes(body)
