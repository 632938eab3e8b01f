"""What callers are sent: detections as the hosted object-detection services write them, and refusals."""

import asyncio
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from condetr.images.detections import Detections
from condetr.images.masks.rle import rle_of_mask
from condetr.serving.protocol.http_errors import Refused

Rows: TypeAlias = list[dict[str, Any]]
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 64 * 2**20


def rows_of(found: Detections) -> Rows:
    """One object a detection, best first; boxes in whole pixels of the upright image, masks as COCO writes them."""
    boxes = found.boxes.int().tolist()
    rows: Rows = [
        {"score": score, "label": name, "box": dict(zip(_SIDES, box, strict=True))}
        for score, name, box in zip(found.scores.tolist(), found.names, boxes, strict=True)
    ]
    if found.masks is None:
        return rows
    return [row | {"mask": rle_of_mask(mask)} for row, mask in zip(rows, found.masks, strict=True)]


def refusal(request: Request, refused: Refused) -> Response:
    request.state.entry["code"] = refused.code
    body, headers = refused.body(request.state.request_id), refused.headers()
    kind = _LastWord if refused.unread else JSONResponse
    return kind(body, refused.status, headers)


class _LastWord(JSONResponse):
    """An answer to a request that is not read to its end.

    A connection that is closed on bytes nobody read is reset, and the caller may lose the answer. So the answer is sent
    whole, then what is still on its way is thrown away, for a while.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                await _throw_away(receive)
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _throw_away(receive: Receive) -> None:
    thrown = 0
    while thrown < _LINGER_BYTES:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return
        thrown += len(message.get("body", b""))
