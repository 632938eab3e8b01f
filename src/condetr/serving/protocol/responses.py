"""Response bodies: detections in the format of hosted object-detection services, and errors."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from condetr.images.detections import Detections
from condetr.images.masks.rle import rle_of_mask
from condetr.serving.protocol.http_errors import Refused

Rows: TypeAlias = list[dict[str, Any]]
MakeRows: TypeAlias = Callable[[Detections], Rows]
_INFER = re.compile(r"/v2/models/.*/infer")
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 64 * 2**20


def rows_of(detections: Detections) -> Rows:
    """One row per detection, best first; boxes in whole pixels of the upright image, masks as COCO RLE."""
    boxes = detections.boxes.int().tolist()
    rows: Rows = [
        {"score": score, "label": name, "box": dict(zip(_SIDES, box, strict=True))}
        for score, name, box in zip(detections.scores.tolist(), detections.names, boxes, strict=True)
    ]
    if detections.masks is None:
        return rows
    return [row | {"mask": rle_of_mask(mask)} for row, mask in zip(rows, detections.masks, strict=True)]


def error_response(request: Request, refused: Refused) -> Response:
    """The error in the service's format; under ``/v2/models/NAME/infer`` in that of the Open Inference Protocol."""
    request.state.entry["code"] = refused.code
    body, headers = refused.body(request.state.request_id), refused.headers()
    if _INFER.fullmatch(request.scope["path"]):  # its clients join the error and other text
        body = body["error"] | {"error": refused.message}
    response_class = _ResponseToUnread if refused.unread else JSONResponse
    return response_class(body, refused.status, headers)


class _ResponseToUnread(JSONResponse):
    """A response to a request that was not read to its end.

    A connection closed with unread bytes is reset, and the client may lose the response. So the response is sent whole,
    then the rest of the request is read and discarded, for a while.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                await _discard(receive)
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(receive: Receive) -> None:
    discarded = 0
    while discarded < _LINGER_BYTES:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
        discarded += len(message.get("body", b""))
