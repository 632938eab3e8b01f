"""The Open Inference Protocol, and requests as tritonclient makes them."""

import base64
import json
import struct

import numpy as np
import pytest

from tests.tiny import tiny_segmenter
from tests.unit.serving.protocol.triton_client import FILE, images, inputs_of, requests
from tests.unit.serving.served import encoded, predictor_of, serving

PATH = "/v2/models/tiny/infer"
RECORDED = json.loads(FILE.read_text())["requests"]
IMAGE = base64.b64encode(encoded(8, 8)).decode()


def sent(service, content, tail=b"", headers=None, path=PATH):
    body = json.dumps(content).encode()
    more = {"Inference-Header-Content-Length": str(len(body))} if tail else {}
    return service.ask("POST", path, body + tail, headers=more if headers is None else headers)


def tensors(answer):
    """The outputs by name, from JSON and from what follows it."""
    size = answer.headers.get("inference-header-content-length")
    content, rest = json.loads(answer.body[: None if size is None else int(size)]), answer.body[int(size or 0) :]
    found = {}
    for output in content["outputs"]:
        if "data" in output:
            found[output["name"]] = np.array(output["data"]).reshape(output["shape"])
            continue
        length = output["parameters"]["binary_data_size"]
        raw, rest = rest[:length], rest[length:]
        if output["datatype"] == "BYTES":
            texts = []
            while raw:
                [size_of_text] = struct.unpack("<I", raw[:4])
                texts.append(raw[4 : 4 + size_of_text].decode())
                raw = raw[4 + size_of_text :]
            found[output["name"]] = np.array(texts).reshape(output["shape"])
        else:
            kind = {"FP32": "<f4", "INT32": "<i4"}[output["datatype"]]
            found[output["name"]] = np.frombuffer(raw, kind).reshape(output["shape"])
    assert not rest or size is None
    return content, found


def are_rows(found, rows, image=0):
    of_image = found["image"] == image
    assert found["score"][of_image].tolist() == pytest.approx([row["score"] for row in rows], abs=1e-6)
    assert found["label"][of_image].tolist() == [row["label"] for row in rows]
    return are_boxes(found["box"][of_image], rows)


def are_boxes(boxes, rows):
    assert boxes.shape == (len(rows), 4)
    assert abs(boxes - [list(row["box"].values()) for row in rows]).max() <= 1, "truncated to whole pixels"
    return True


def tensor(*data, **more):
    return {"name": "picture", "shape": [len(data)], "datatype": "BYTES", "data": list(data)} | more


def test_json_without_binary_data(service):
    rows = service.predict(encoded(8, 8)).json
    assert len(rows) > 10
    content, found = tensors(sent(service, {"id": "7", "inputs": [tensor(IMAGE)]}))
    assert content | {"outputs": 0} == {"model_name": "tiny", "model_version": "1", "id": "7", "outputs": 0}
    assert found.keys() == {"score", "label", "box", "image"}
    assert are_rows(found, rows)
    column = tensor([IMAGE], shape=[1, 1])
    assert are_rows(tensors(sent(service, {"inputs": [column]}, path="/v2/models/tiny/versions/1/infer"))[1], rows)


def test_parameters_and_outputs_are_those_asked_for(service):
    rows = service.predict(encoded(8, 8)).json
    threshold = rows[len(rows) // 2]["score"]
    asked = {"inputs": [tensor(IMAGE)], "parameters": {"threshold": threshold}}
    assert are_rows(tensors(sent(service, asked))[1], [row for row in rows if row["score"] > threshold])
    outputs = [{"name": "box", "parameters": {"binary_data": True}}, {"name": "score"}]
    content, _ = tensors(sent(service, asked | {"outputs": outputs}))
    assert [output["name"] for output in content["outputs"]] == ["box", "score"]
    assert "id" not in content
    none = tensors(sent(service, {"inputs": [tensor(IMAGE)], "parameters": {"threshold": 1}}))[1]
    assert (none["box"].shape, none["label"].shape) == ((0, 4), (0,))


@pytest.mark.parametrize("case", RECORDED)
def test_recorded_requests_of_tritonclient(service, case):
    body, length = base64.b64decode(RECORDED[case]["body"]), RECORDED[case]["json_bytes"]
    headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
    answer = service.ask("POST", PATH, body, headers=headers)
    assert answer.status == 200, answer.body
    content, found = tensors(answer)
    first, second = (service.predict(image).json for image in images())
    if case == "binary":
        assert all("parameters" in output for output in content["outputs"])
        assert are_rows(found, first)
    elif case == "json":
        assert are_boxes(found["box"], first)
    else:
        both = [row for row in first + second if row["score"] > 0.1]
        assert content["id"] == "7"
        assert are_boxes(found["box"], both)
        assert found["label"].tolist() == [row["label"] for row in both]


def test_tritonclient_itself(service):
    client_library = pytest.importorskip("tritonclient.http", reason="needs tritonclient[http]")
    recorded = {name: (base64.b64decode(r["body"]), r["json_bytes"]) for name, r in RECORDED.items()}
    assert requests(client_library) == recorded
    client = client_library.InferenceServerClient(f"127.0.0.1:{service.port}")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("tiny")
        assert client.is_model_ready("tiny", "1")
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        assert client.get_model_metadata("tiny")["inputs"][0]["name"] == "picture"
        for binary in (True, False):
            result = client.infer("tiny", inputs_of(client_library, images(), binary=binary))
            found = {name: result.as_numpy(name) for name in ("score", "box", "image")}
            labels = [label.decode() for label in result.as_numpy("label")]
            for number, image in enumerate(images()):
                assert are_rows(found | {"label": np.array(labels)}, service.predict(image).json, number)
        with pytest.raises(client_library.InferenceServerException, match=r"^\[422\].*image") as refused:
            client.infer("tiny", inputs_of(client_library, [b"no picture"], binary=True))
        assert refused.value.status() == "422"
        with pytest.raises(client_library.InferenceServerException, match=r"^\[404\] there is no such path"):
            client.infer("other", inputs_of(client_library, images()[:1], binary=True))
    finally:
        client.close()


def test_masks_are_an_output():
    with serving(predictor=predictor_of(tiny_segmenter(), task="instance")) as served:
        rows = served.predict(encoded(), "?masks=true").json
        asked = {"inputs": [tensor(base64.b64encode(encoded()).decode())]}
        _, found = tensors(sent(served, asked | {"outputs": [{"name": "mask"}]}))
        assert rows
        assert [json.loads(text) for text in found["mask"]] == [row["mask"] for row in rows]
        assert "mask" not in tensors(sent(served, asked))[1]
        assert "mask" in tensors(sent(served, asked | {"parameters": {"masks": True}}))[1]


def element(content):
    return struct.pack("<I", len(content)) + content


def binary(size=None, **more):
    size = len(element(b"x" * 9)) if size is None else size
    return {
        "inputs": [
            {k: v for k, v in (tensor("") | more).items() if k != "data"} | {"parameters": {"binary_data_size": size}}
        ]
    }


TAIL = element(b"x" * 9)
REFUSED = {
    "no JSON": (b"nonsense", b"", 400, "json", ["no JSON object"]),
    "no inputs": ({}, b"", 400, "infer", ["inputs"]),
    "two inputs": ({"inputs": [tensor(IMAGE)] * 2}, b"", 400, "infer", ["one object"]),
    "an unknown field": ({"inputs": [tensor(IMAGE)], "input": 1}, b"", 400, "usage", ["did you mean inputs"]),
    "another name": ({"inputs": [tensor(IMAGE, name="image")]}, b"", 400, "infer", ["'image'", "'picture'"]),
    "another type": ({"inputs": [tensor(IMAGE, datatype="UINT8")]}, b"", 400, "infer", ["UINT8"]),
    "no shape": ({"inputs": [tensor(IMAGE, shape=None)]}, b"", 400, "infer", ["shape"]),
    "a shape of an image": ({"inputs": [tensor(IMAGE, shape=[1, 480, 640, 3])]}, b"", 400, "infer", ["shape"]),
    "a shape of no image": ({"inputs": [tensor(shape=[0])]}, b"", 400, "infer", ["shape"]),
    "a boolean side": ({"inputs": [tensor(IMAGE, shape=[True])]}, b"", 400, "infer", ["shape"]),
    "fewer than the shape": ({"inputs": [tensor(IMAGE, shape=[2])]}, b"", 400, "infer", ["[2]", "1 elements"]),
    "no base64": ({"inputs": [tensor("%%")]}, b"", 400, "json", ["data[0]", "not base64"]),
    "an unknown parameter": (
        {"inputs": [tensor(IMAGE)], "parameters": {"priority": 1}}, b"", 400, "usage", ["'priority'"]
    ),
    "a threshold of two": ({"inputs": [tensor(IMAGE)], "parameters": {"threshold": 2}}, b"", 400, "usage", ["0 to 1"]),
    "an unknown output": ({"inputs": [tensor(IMAGE)], "outputs": [{"name": "boxes"}]}, b"", 400, "infer", ["'boxes'"]),
    "an output twice": (
        {"inputs": [tensor(IMAGE)], "outputs": [{"name": "box"}] * 2}, b"", 400, "infer", ["twice"]
    ),
    "classification": (
        {"inputs": [tensor(IMAGE)], "outputs": [{"name": "box", "parameters": {"classification": 1}}]},
        b"", 400, "usage", ["'classification'"],
    ),
    "masks of a detector": (
        {"inputs": [tensor(IMAGE)], "outputs": [{"name": "mask"}]}, b"", 400, "usage", ["no masks"]
    ),
    "a long id": ({"inputs": [tensor(IMAGE)], "id": "x" * 300}, b"", 400, "infer", ["id"]),
    "too many images": ({"inputs": [tensor(*[IMAGE] * 17)]}, b"", 413, "too_many", ["17 images"]),
    "more elements than the limit": (
        {"inputs": [tensor(*[IMAGE] * 17, shape=[1])]}, b"", 413, "too_many", ["17 images"]
    ),
    "no image": (binary(), TAIL, 422, "image", ["image"]),
    "a wrong size": (binary(7), TAIL, 400, "infer", ["binary_data_size is 7", "13 bytes"]),
    "a size that is text": (binary("13"), TAIL, 400, "infer", ["binary_data_size"]),
    "data and a size": (
        {"inputs": [tensor(IMAGE) | {"parameters": {"binary_data_size": 13}}]}, TAIL, 400, "infer", ["both"]
    ),
    "bytes that belong to nothing": ({"inputs": [tensor(IMAGE)]}, TAIL, 400, "infer", ["13 bytes follow"]),
    "an element longer than the data": (binary(), b"\xff\xff\xff\xff" + b"x" * 9, 400, "infer", ["binary data"]),
    "half a length": (binary(2), b"xx", 400, "infer", ["binary data"]),
    "more elements than the shape": (binary(26), TAIL * 2, 400, "infer", ["[1]", "2 elements"]),
    "a million empty elements": (binary(4_000_000), bytes(4_000_000), 400, "infer", ["binary data"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_request_is_refused(service, case):
    content, tail, status, code, words = REFUSED[case]
    answer = service.ask("POST", PATH, content) if isinstance(content, bytes) else sent(service, content, tail)
    is_protocol_error(answer, status, code, *words)


def is_protocol_error(answer, status, code, *words):
    """The protocol has the message as a string under "error"; clients join it and other text."""
    assert answer.status == status, answer.body
    assert answer.json.keys() == {"error", "code", "message", "request_id"}
    assert answer.json["error"] == answer.json["message"]
    assert answer.json["code"] == code
    for word in words:
        assert word in answer.json["error"]


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "1" * 30, "²"])
def test_a_wrong_length_of_the_header(service, length):
    body = json.dumps({"inputs": [tensor(IMAGE)]}).encode()
    answer = service.ask("POST", PATH, body, headers={"Inference-Header-Content-Length": length})
    is_protocol_error(answer, 400, "infer", "Inference-Header-Content-Length")


def test_other_models_and_methods(service):
    is_protocol_error(service.ask("POST", "/v2/models/other/infer", b"{}"), 404, "not_found")
    is_protocol_error(service.get(PATH), 405, "method")
    assert service.ask("POST", "/v2/models/tiny/versions/2/infer", b"{}").status == 404
    is_protocol_error(service.ask("POST", PATH, b""), 400, "empty")
