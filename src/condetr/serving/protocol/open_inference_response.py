"""Responses of the Open Inference Protocol: the detections of all images of a request, as tensors."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.responses import JSONResponse, Response

from condetr.serving.protocol.open_inference import HEADER_LENGTH, InferRequest, elements
from condetr.serving.protocol.responses import Rows

_TYPES = {"FP32": "<f4", "INT32": "<i4"}


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Numbers, or texts for BYTES."""

    datatype: str
    shape: list[int]
    content: Sequence[Any]

    @property
    def binary(self) -> bytes:
        if self.datatype == "BYTES":
            return elements([text.encode() for text in self.content])
        return np.asarray(self.content, _TYPES[self.datatype]).tobytes()


def infer_response(asked: InferRequest, rows: list[Rows], model: str) -> Response:
    """The response: one row per detection, and in ``image`` the index of its image in the request."""
    tensors = {name: tensor for name, tensor in _tensors(rows).items() if name in asked.outputs}
    outputs, buffers = [], []
    for name in asked.outputs:
        tensor = tensors[name]
        output: dict[str, Any] = {"name": name, "datatype": tensor.datatype, "shape": tensor.shape}
        if asked.outputs[name]:
            buffers.append(tensor.binary)
            output["parameters"] = {"binary_data_size": len(buffers[-1])}
        else:
            output["data"] = list(tensor.content)
        outputs.append(output)
    number = {} if asked.id is None else {"id": asked.id}
    content = {"model_name": model, "model_version": "1", **number, "outputs": outputs}
    if not buffers:
        return JSONResponse(content)
    head = json.dumps(content).encode()
    media_type, headers = "application/octet-stream", {HEADER_LENGTH: str(len(head))}
    return Response(b"".join((head, *buffers)), media_type=media_type, headers=headers)


def _tensors(rows: list[Rows]) -> dict[str, _Tensor]:
    numbered = [(image, row) for image, found in enumerate(rows) for row in found]
    count = len(numbered)
    boxes = [side for _, row in numbered for side in row["box"].values()]
    return {
        "score": _Tensor("FP32", [count], [row["score"] for _, row in numbered]),
        "label": _Tensor("BYTES", [count], [row["label"] for _, row in numbered]),
        "box": _Tensor("INT32", [count, 4], boxes),
        "image": _Tensor("INT32", [count], [image for image, _ in numbered]),
        "mask": _Tensor("BYTES", [count], [json.dumps(row.get("mask")) for _, row in numbered]),
    }
