"""The OpenAPI 3.1 description of the service."""

from typing import Any

from condetr.serving.protocol.open_inference import HEADER_LENGTH
from condetr.serving.protocol.service_info import ServiceInfo

_TEXT, _INTEGER, _NUMBER, _BOOLEAN = ({"type": name} for name in ("string", "integer", "number", "boolean"))
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_THRESHOLD = {"type": "number", "minimum": 0, "maximum": 1}
_REFUSALS = ("400", "401", "408", "413", "415", "422", "500", "503", "504")


def document_of(info: ServiceInfo, *, masks: bool, max_images: int) -> dict[str, Any]:
    """The document.

    Args:
        info: metadata of the service.
        masks: whether the model is a segmenter.
        max_images: of a request.
    """
    security: dict[str, Any] = {"security": [{"token": []}]} if info.token is not None else {}
    schemes = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if security else {}
    predict = _predict(max_images) | security
    ready = _get("Whether images are accepted", {"ready": _BOOLEAN}, "503")
    model = {"name": _TEXT, "classes": {"type": "array", "items": _TEXT}}
    classes = ", ".join(info.classes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"condetr: {info.name}",
            "version": info.version,
            "description": f"Finds {classes} in images{', with masks' if masks else ''}.",
        },
        "paths": {
            **{path: {"post": predict} for path in ("/predict", "/", "/invocations", *info.predict_routes)},
            f"/v2/models/{info.name}/infer": {"post": _infer(max_images) | security},
            "/v2/health/live": {"get": _get("Whether the process is alive", {"live": _BOOLEAN})},
            **{path: {"get": ready} for path in ("/v2/health/ready", "/health", "/ping", *info.health_routes)},
            "/v2": {"get": _get("The server", {"name": _TEXT, "version": _TEXT}) | security},
            f"/v2/models/{info.name}": {"get": _get("The model", model, "404") | security},
            f"/v2/models/{info.name}/ready": {"get": ready | security},
        },
        "components": {"schemas": _schemas()} | schemes,
    }


def _predict(max_images: int) -> dict[str, Any]:
    image = {"schema": {"type": "string", "format": "binary"}}
    form = {
        "schema": {"type": "object", "additionalProperties": {"type": "string", "format": "binary"}},
        "description": f"An image a part, at most {max_images}",
    }
    detections = {"type": "array", "items": {"$ref": "#/components/schemas/Detection"}}
    of_each = {"type": "array", "items": detections}
    predictions = {"type": "object", "properties": {"predictions": of_each}, "required": ["predictions"]}
    json_body = {"schema": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Inputs", "Instances")]}}
    return {
        "summary": "Find the objects of images, best first",
        "parameters": [
            {
                "name": "threshold",
                "in": "query",
                "description": "omit detections that score at or below it",
                "schema": _THRESHOLD,
            },
            {
                "name": "masks",
                "in": "query",
                "description": "add masks (segmenters only)",
                "schema": _BOOLEAN,
            },
        ],
        "requestBody": {
            "required": True,
            "content": {"image/*": image, "multipart/form-data": form, "application/json": json_body},
        },
        "responses": {
            "200": _json(
                "The objects of one image, a list of them for each of several, or predictions for instances",
                {"anyOf": [detections, of_each, predictions]},
            )
        }
        | {status: _refusal(status, "Refusal") for status in _REFUSALS},
    }


def _infer(max_images: int) -> dict[str, Any]:
    return {
        "summary": "Find the objects of images, as tensors of the Open Inference Protocol",
        "parameters": [
            {
                "name": HEADER_LENGTH.title(),
                "in": "header",
                "description": "bytes of JSON, where binary tensors follow it",
                "schema": _INTEGER,
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}}},
            "description": f"One input of at most {max_images} encoded images: base64 in data, or binary data",
        },
        "responses": {"200": _json("The outputs", {"$ref": "#/components/schemas/InferResponse"})}
        | {status: _refusal(status, "InferRefusal") for status in _REFUSALS},
    }


def _get(summary: str, properties: dict[str, Any], *refusals: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "summary": summary,
        "responses": {"200": _json(summary, schema)} | {status: _refusal(status, "Refusal") for status in refusals},
    }


def _refusal(status: str, schema: str) -> dict[str, Any]:
    response = _json("An error", {"$ref": f"#/components/schemas/{schema}"})
    return response | ({"headers": {"Retry-After": {"schema": _INTEGER}}} if status == "503" else {})


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _schemas() -> dict[str, Any]:
    error = {"code": _TEXT, "message": _TEXT, "request_id": _TEXT}
    box = dict.fromkeys(("xmin", "ymin", "xmax", "ymax"), _INTEGER)
    mask = _object({"size": {"type": "array", "items": _INTEGER}, "counts": _TEXT}) | {
        "description": "COCO's run-length encoding, at the size of the image"
    }
    parameters = {"parameters": _object({}, {"threshold": _THRESHOLD, "masks": _BOOLEAN})}
    instance = {"anyOf": [_BASE64, _object({"b64": _BASE64}), _object({"content": _BASE64})]}
    tensor = {"name": _TEXT, "shape": {"type": "array", "items": _INTEGER}, "datatype": _TEXT}
    more = {"data": {"type": "array"}, "parameters": {"type": "object"}}
    tensors = {"type": "array", "items": _object(tensor, more)}
    return {
        "Refusal": _object({"error": _object(error)}),
        "InferRefusal": _object({"error": _TEXT} | error),
        "Detection": _object({"score": _THRESHOLD, "label": _TEXT, "box": _object(box)}, {"mask": mask}),
        "Inputs": _object({"inputs": {"anyOf": [_BASE64, {"type": "array", "items": _BASE64}]}}, parameters),
        "Instances": _object({"instances": {"type": "array", "items": instance}}, parameters),
        "InferRequest": _object(
            {"inputs": tensors}, parameters | {"id": _TEXT, "outputs": {"type": "array", "items": {"type": "object"}}}
        ),
        "InferResponse": _object({"model_name": _TEXT, "model_version": _TEXT, "outputs": tensors}, {"id": _TEXT}),
    }


def _object(properties: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": properties | (optional or {}), "required": list(properties)}
