"""Requests of the Open Inference Protocol, with and without its extension for binary tensors."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from condetr.serving.protocol.base64_image import decoded
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.json_body import object_in
from condetr.serving.protocol.json_images import check_number
from condetr.serving.protocol.predict_params import NAMES, Values, check_names, json_values

HEADER_LENGTH = "inference-header-content-length"  # bytes of JSON before the tensors
INPUT = "picture"
OUTPUTS = ("score", "label", "box", "image", "mask")
_MAX_ID = 256  # characters; it is sent back
_LENGTH = struct.Struct("<I")  # before each element of a tensor of BYTES


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request.

    Attributes:
        images: encoded.
        values: parameters of the prediction.
        id: sent back with the response; None for none.
        outputs: the outputs that are asked for, and whether as binary data.
    """

    images: list[bytes]
    values: Values
    id: str | None
    outputs: Mapping[str, bool]


def read_infer(body: bytes, header_length: str | None, max_images: int) -> InferRequest:
    """Read a request.

    Args:
        body: JSON, and after it the binary data of its tensors.
        header_length: the header of that name, if any: bytes of the JSON.
        max_images: of a request.

    Raises:
        Refused: it is malformed, asks for something unknown, or has too many images.
    """
    end = len(body) if header_length is None else _header_end(header_length, len(body))
    content = object_in(body[:end])
    check_names(content, ("id", "inputs", "outputs", "parameters"))
    number = content.get("id")
    if not (number is None or (isinstance(number, str) and len(number) <= _MAX_ID)):
        raise _malformed(f"id is no string of at most {_MAX_ID} characters")
    parameters = _object(content.get("parameters"), "parameters")
    binary = _flag(parameters, "binary_data_output")
    values = json_values(parameters, (*NAMES, "binary_data_output"))
    outputs = _outputs(content.get("outputs"), values, binary=binary)
    if "mask" in outputs:
        values = {**values, "masks": True}
    return InferRequest(_images(content.get("inputs"), body, end, max_images), values, number, outputs)


def _header_end(text: str, size: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= size):
        raise _malformed(
            f"Inference-Header-Content-Length is {text[:40]!r}, expected at most {size}, the body's length"
        )
    return int(text)


def _outputs(outputs: Any, values: Values, *, binary: bool) -> Mapping[str, bool]:
    """Those that are listed, or all."""
    if outputs is None or outputs == []:
        return {name: binary for name in OUTPUTS if name != "mask" or values.get("masks")}
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise _malformed("outputs is no list of objects")
    asked: dict[str, bool] = {}
    for output in outputs:
        check_names(output, ("name", "parameters"))
        name, parameters = output.get("name"), _object(output.get("parameters"), "outputs[].parameters")
        check_names(parameters, ("binary_data",))
        if name not in OUTPUTS or name in asked:
            what = "twice" if name in OUTPUTS else f"as {str(name)[:40]!r}"
            raise _malformed(f"outputs has a name {what}; the model has {', '.join(OUTPUTS)}")
        asked[name] = _flag(parameters, "binary_data", default=binary)
    return asked


def _images(inputs: Any, body: bytes, end: int, max_images: int) -> list[bytes]:
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise _malformed(f"inputs is no list of one object, the input {INPUT!r}")
    [tensor] = inputs
    check_names(tensor, ("name", "shape", "datatype", "data", "parameters"))
    if tensor.get("name") != INPUT or tensor.get("datatype") != "BYTES":
        name, datatype = (str(tensor.get(field))[:40] for field in ("name", "datatype"))
        raise _malformed(f"the input is {name!r} of {datatype}, expected {INPUT!r} of BYTES, an encoded image")
    number = _number_of(tensor.get("shape"))
    check_number(number, max_images)
    parameters = _object(tensor.get("parameters"), "inputs[0].parameters")
    check_names(parameters, ("binary_data_size",))
    if "binary_data_size" in parameters:
        if "data" in tensor:
            raise _malformed("inputs[0] has both data and binary_data_size")
        images = _elements(body, end, parameters["binary_data_size"], max_images)
    else:
        data = tensor.get("data")
        if not isinstance(data, list):
            raise _malformed("inputs[0].data is no list of base64 strings")
        rows = [item for row in data for item in (row if isinstance(row, list) else [row])]  # flat or of its shape
        check_number(len(rows), max_images)
        images = [decoded(item, f"inputs[0].data[{index}]") for index, item in enumerate(rows)]
        if end != len(body):
            raise _malformed(f"{len(body) - end} bytes follow the JSON, and no input has a binary_data_size")
    if len(images) != number:
        raise _malformed(f"the input has the shape {tensor['shape']} and {len(images)} elements")
    return images


def _number_of(shape: Any) -> int:
    """The images of a shape [images] or [images, 1]."""
    is_shape = isinstance(shape, list) and all(type(side) is int and side > 0 for side in shape)
    if not is_shape or not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise _malformed(f"the shape is {str(shape)[:40]}, expected [images] or [images, 1]")
    return shape[0]


def _elements(body: bytes, start: int, size: Any, max_images: int) -> list[bytes]:
    """The elements of a tensor of BYTES: the length of each in four bytes, then its content."""
    if type(size) is not int or size != len(body) - start:
        raise _malformed(f"binary_data_size is {str(size)[:40]}, and {len(body) - start} bytes follow the JSON")
    edges = [start]
    while edges[-1] < len(body) and len(edges) <= max_images:
        at = edges[-1]
        length = _LENGTH.unpack_from(body, at)[0] if at + _LENGTH.size <= len(body) else len(body)
        edges.append(at + _LENGTH.size + length)
    if edges[-1] != len(body):
        raise _malformed("the binary data is not what binary_data_size and the shape say")
    return [body[begin + _LENGTH.size : end] for begin, end in pairwise(edges)]


def _object(content: Any, where: str) -> Mapping[str, Any]:
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _malformed(f"{where} is no JSON object")
    return content


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise _malformed(f"{name} is {str(value)[:40]!r}, expected true or false")
    return value


def element(content: bytes) -> bytes:
    """An element of a tensor of BYTES in binary form."""
    return _LENGTH.pack(len(content)) + content


def elements(contents: Sequence[bytes]) -> bytes:
    return b"".join(map(element, contents))


def _malformed(reason: str) -> Refused:
    return Refused(400, "infer", reason)
