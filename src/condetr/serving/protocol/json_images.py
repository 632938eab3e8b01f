"""JSON bodies as hosted inference endpoints take them (``inputs``), and as Vertex AI sends them (``instances``)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from starlette.responses import JSONResponse, Response

from condetr.serving.protocol.base64_image import decoded
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.json_body import malformed, object_in
from condetr.serving.protocol.predict_params import Values, json_values
from condetr.serving.protocol.responses import Rows

_HELP = 'expected {"inputs": base64, "parameters": {...}} or {"instances": [...]}; URL input is disabled'


class JsonImages(NamedTuple):
    """The images and parameters of a request, and what makes its response of the rows of each image."""

    images: list[bytes]
    values: Values
    respond: Callable[[list[Rows]], Response]


def json_images(body: bytes, max_images: int) -> JsonImages:
    """The images of a JSON body.

    ``inputs`` is one image, whose response is its rows, or a list of images, whose response is a list of rows for
    each. Items of ``instances`` are strings, ``{"b64": ...}`` or ``{"content": ...}``; the response has the same list
    as ``predictions``. Every image is base64.

    Raises:
        Refused: it is malformed, or there are too many images.
    """
    content = object_in(body)
    field = next((name for name in ("inputs", "instances") if name in content), None)
    if field is None or not content.keys() <= {field, "parameters"}:
        unknown = ", ".join(sorted(repr(name[:40]) for name in content if name not in (field, "parameters"))[:5])
        raise malformed(f"{_HELP}; the body has {unknown or 'no images'}")
    parameters = {} if content.get("parameters") is None else content["parameters"]
    if not isinstance(parameters, dict):
        raise malformed("parameters is no JSON object")
    values, items = json_values(parameters), content[field]
    if field == "inputs" and isinstance(items, str):
        return JsonImages([decoded(items, "inputs")], values, _rows)
    if not isinstance(items, list) or not items:
        raise malformed(f"{field} has no image; expected base64" if field == "inputs" else "instances is no list")
    check_number(len(items), max_images)
    if field == "instances":
        items = [_of_instance(item) for item in items]
    images = [decoded(item, f"{field}[{index}]") for index, item in enumerate(items)]
    return JsonImages(images, values, _predictions if field == "instances" else JSONResponse)


def check_number(images: int, max_images: int) -> None:
    if images > max_images:
        reason = f"the request has {images} images, over the limit of {max_images} per request"
        raise Refused(413, "too_many", reason)


def _of_instance(item: Any) -> Any:
    if isinstance(item, Mapping) and len(item) == 1:
        return item.get("b64", item.get("content"))
    return item


def _rows(rows: list[Rows]) -> Response:
    return JSONResponse(rows[0])


def _predictions(rows: list[Rows]) -> Response:
    return JSONResponse({"predictions": rows})
