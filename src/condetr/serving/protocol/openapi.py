"""The OpenAPI 3.1 description of the service."""

from typing import Any

_TEXT, _INTEGER = {"type": "string"}, {"type": "integer"}


def document_of(version: str, *, with_token: bool) -> dict[str, Any]:
    """The document; ``with_token`` if clients must send one."""
    security: dict[str, Any] = {"security": [{"token": []}]} if with_token else {}
    schemes = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if with_token else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": "condetr", "version": version, "description": "Finds objects in images."},
        "paths": {
            "/predict": {"post": _predict() | security},
            "/v2/health/live": {"get": _get("Whether the process is alive", {"live": {"type": "boolean"}})},
            "/v2/health/ready": {"get": _get("Whether images are accepted", {"ready": {"type": "boolean"}}, "503")},
            "/v2": {"get": _get("The server", {"name": _TEXT, "version": _TEXT}) | security},
            "/v2/models/{model}": {
                "parameters": [{"name": "model", "in": "path", "required": True, "schema": _TEXT}],
                "get": _get("The model", {"name": _TEXT, "classes": {"type": "array", "items": _TEXT}}, "404")
                | security,
            },
            "/v2/models/{model}/ready": {
                "parameters": [{"name": "model", "in": "path", "required": True, "schema": _TEXT}],
                "get": _get("Whether it accepts images", {"ready": {"type": "boolean"}}, "404", "503") | security,
            },
        },
        "components": {"schemas": _schemas()} | schemes,
    }


def _predict() -> dict[str, Any]:
    image = {"schema": {"type": "string", "format": "binary"}}
    form = {"schema": {"type": "object", "properties": {"picture": {"type": "string", "format": "binary"}}}}
    detections = {"type": "array", "items": {"$ref": "#/components/schemas/Detection"}}
    refusals = ("400", "401", "408", "413", "422", "500", "503", "504")
    return {
        "summary": "Find the objects of one image, best first",
        "parameters": [
            {
                "name": "threshold",
                "in": "query",
                "description": "omit detections that score at or below it",
                "schema": {"type": "number", "minimum": 0, "maximum": 1},
            },
            {
                "name": "masks",
                "in": "query",
                "description": "add masks (segmenters only)",
                "schema": {"type": "boolean"},
            },
        ],
        "requestBody": {"required": True, "content": {"image/*": image, "multipart/form-data": form}},
        "responses": {"200": _json("The objects", detections)} | {status: _refusal(status) for status in refusals},
    }


def _get(summary: str, properties: dict[str, Any], *refusals: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "summary": summary,
        "responses": {"200": _json(summary, schema)} | {status: _refusal(status) for status in refusals},
    }


def _refusal(status: str) -> dict[str, Any]:
    response = _json("An error", {"$ref": "#/components/schemas/Refusal"})
    return response | ({"headers": {"Retry-After": {"schema": _INTEGER}}} if status == "503" else {})


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _schemas() -> dict[str, Any]:
    error = {"code": _TEXT, "message": _TEXT, "request_id": _TEXT}
    box = dict.fromkeys(("xmin", "ymin", "xmax", "ymax"), _INTEGER)
    mask = _object({"size": {"type": "array", "items": _INTEGER}, "counts": _TEXT}) | {
        "description": "COCO's run-length encoding, at the size of the image"
    }
    return {
        "Refusal": _object({"error": _object(error)}),
        "Detection": _object(
            {"score": {"type": "number", "minimum": 0, "maximum": 1}, "label": _TEXT, "box": _object(box)},
            optional={"mask": mask},
        ),
    }


def _object(properties: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": properties | (optional or {}), "required": list(properties)}
