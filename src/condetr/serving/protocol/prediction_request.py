"""Requests for predictions: an image as the body, a form of images, JSON, or tensors."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from condetr.serving.limits import Limits
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.json_body import COPIES
from condetr.serving.protocol.json_images import json_images
from condetr.serving.protocol.multipart import image_parts
from condetr.serving.protocol.open_inference import HEADER_LENGTH, read_infer
from condetr.serving.protocol.open_inference_response import infer_response
from condetr.serving.protocol.predict_params import Defaults, PredictParams, query_values
from condetr.serving.protocol.request_body import read_body
from condetr.serving.protocol.responses import Rows


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """What is asked for.

    Attributes:
        images: encoded, at least one.
        params: of the prediction.
        respond: makes the response of the rows of each image.
    """

    images: list[bytes]
    params: PredictParams
    respond: Callable[[list[Rows]], Response]


@dataclass(frozen=True, slots=True)
class PredictionReader:
    """Reads requests within limits.

    Attributes:
        defaults: of the parameters.
        limits: of sizes, times and numbers.
        model: its name, in responses of the Open Inference Protocol.
    """

    defaults: Defaults
    limits: Limits
    model: str

    @property
    def _max_images(self) -> int:
        return min(self.limits.images, self.limits.queue)

    async def predict(self, request: Request, take: Callable[[int], None]) -> PredictionRequest:
        """A request of ``/predict``.

        Args:
            request: its body is not read yet.
            take: takes bytes from the memory budget.

        Raises:
            Refused: it is malformed, or exceeds a limit.
            ClientDisconnect: the client has disconnected.
        """
        values = query_values(request.query_params)
        params = self.defaults.params_of(values, unread=True)
        content_type = request.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "application/json":
            body = await self._body(request, take, copies=COPIES)
            asked = await asyncio.to_thread(json_images, body, self._max_images)
            if twice := values.keys() & asked.values.keys():
                reason = f"{', '.join(sorted(twice))} is given in the query and in the body"
                raise Refused(400, "usage", reason)
            return PredictionRequest(asked.images, self.defaults.params_of({**values, **asked.values}), asked.respond)
        body = await self._body(request, take)
        if kind == "multipart/form-data":
            return PredictionRequest(image_parts(body, content_type, self._max_images), params, _rows_of_form)
        return PredictionRequest([body], params, _rows_of_form)

    async def infer(self, request: Request, take: Callable[[int], None]) -> PredictionRequest:
        """A request of ``/v2/models/NAME/infer``; arguments and errors as of `predict`."""
        header_length = request.headers.get(HEADER_LENGTH)
        body = await self._body(request, take, copies=COPIES)
        asked = await asyncio.to_thread(read_infer, body, header_length, self._max_images)
        respond = partial(infer_response, asked, model=self.model)
        return PredictionRequest(asked.images, self.defaults.params_of(asked.values), respond)

    async def _body(self, request: Request, take: Callable[[int], None], *, copies: int = 1) -> bytes:
        body = await read_body(request, self.limits, take, copies=copies)
        if not body:
            raise Refused(400, "empty", "the body is empty; send an image, a form or JSON (see /docs)")
        return body


def _rows_of_form(rows: list[Rows]) -> Response:
    """Rows of one image, or a list of rows for each."""
    return JSONResponse(rows[0] if len(rows) == 1 else rows)
