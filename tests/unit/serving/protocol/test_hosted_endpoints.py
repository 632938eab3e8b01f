"""JSON as hosted inference endpoints, Vertex AI and SageMaker send it, and forms of several images."""

import base64
import json
import shutil
import subprocess
import threading

import pytest

from condetr.serving.limits import Limits
from tests.tiny import tiny_segmenter
from tests.unit.serving.protocol.test_http_errors import is_refusal
from tests.unit.serving.protocol.test_responses import same
from tests.unit.serving.served import Watched, encoded, predictor_of, serving

JSON = {"Content-Type": "application/json"}


def text(image):
    return base64.b64encode(image).decode()


def ask(service, content, path="/predict", **more):
    body = content if isinstance(content, bytes) else json.dumps(content)
    return service.ask("POST", path, body, headers=JSON | more)


def form_of(*images):
    parts = [b'--a1\r\nContent-Disposition: form-data; name="x"; filename="y"\r\n\r\n' + image for image in images]
    return b"\r\n".join(parts) + b"\r\n--a1--\r\n"


FORM = {"Content-Type": "multipart/form-data; boundary=a1"}


def are_alike(lists, expected):
    """Images that share a batch differ in the last digit from the same images alone."""
    return len(lists) == len(expected) and all(map(same, lists, expected))


def middle_of(rows):
    return rows[len(rows) // 2]["score"]


@pytest.mark.parametrize("path", ["/", "/predict", "/invocations"])
def test_inputs_are_the_image_and_parameters_hold(service, path):
    image = encoded()
    everything = service.predict(image).json
    threshold = middle_of(everything)
    assert len(everything) > 10
    assert ask(service, {"inputs": text(image)}, path).json == everything
    assert ask(service, {"inputs": text(image), "parameters": None}, path).json == everything
    some = ask(service, {"inputs": text(image), "parameters": {"threshold": threshold}}, path)
    assert some.json == [row for row in everything if row["score"] > threshold]
    assert ask(service, {"inputs": text(image), "parameters": {"threshold": None}}, path).json == everything
    assert service.ask("POST", path, image, headers={"Content-Type": "application/x-image"}).json == everything


@pytest.mark.parametrize("path", ["", "/predict"])
def test_the_client_of_the_hub_finds_objects(service, monkeypatch, path):
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # which is about other machines
    client = hub.InferenceClient(model=f"http://127.0.0.1:{service.port}{path}", token="none")
    rows = service.predict(encoded()).json
    threshold = middle_of(rows)
    found = client.object_detection(encoded(), threshold=threshold)
    sides = [(box.xmin, box.ymin, box.xmax, box.ymax) for box in (labeled.box for labeled in found)]
    assert 0 < len(found) < len(rows)
    assert [labeled.score for labeled in found] == [row["score"] for row in rows if row["score"] > threshold]
    assert sides == [tuple(row["box"].values()) for row in rows if row["score"] > threshold]
    assert len(client.object_detection(encoded())) == len(rows)


def test_several_images_have_a_list_each(service):
    images = [encoded(seed=seed, height=height) for seed, height in ((0, 30), (1, 40), (2, 30))]
    alone = [service.predict(image).json for image in images]
    assert alone[0] != alone[2]
    many = ask(service, {"inputs": [text(image) for image in images]})
    assert are_alike(many.json, alone)
    assert service.entry_of(many)["images"] == 3
    assert ask(service, {"inputs": [text(images[0])]}).json == alone[:1]
    assert are_alike(service.predict(form_of(*images), headers=FORM).json, alone)
    assert service.predict(form_of(images[1]), headers=FORM).json == alone[1]


def test_instances_have_predictions(service):
    images = [encoded(seed=seed) for seed in range(3)]
    instances = [text(images[0]), {"b64": text(images[1])}, {"content": "data:image/png;base64," + text(images[2])}]
    answer = ask(service, {"instances": instances, "parameters": {"threshold": 0}})
    assert answer.json.keys() == {"predictions"}
    assert are_alike(answer.json["predictions"], [service.predict(image).json for image in images])


def test_base64_may_have_line_breaks(service):
    image = encoded()
    assert ask(service, {"inputs": base64.encodebytes(image).decode()}).json == service.predict(image).json


def test_masks_come_when_asked_for():
    with serving(predictor=predictor_of(tiny_segmenter(), task="instance")) as served:
        rows = ask(served, {"inputs": text(encoded()), "parameters": {"masks": True}}).json
        assert rows
        assert rows == served.predict(encoded(), "?masks=true").json
        assert all("mask" in row for row in rows)


IMAGE = text(encoded(8, 8))
MALFORMED = {
    "no JSON": (b'{"inputs": ', ["no JSON object"]),
    "a list": ([IMAGE], ["no JSON object"]),
    "nothing": ({}, ['"inputs"', "no images"]),
    "a URL in its own field": ({"url": "http://127.0.0.1/a.jpg"}, ["'url'", "URL input is disabled"]),
    "a URL as the image": ({"inputs": "http://127.0.0.1/a.jpg"}, ["URL input is disabled"]),
    "no base64": ({"inputs": "%%%%"}, ["inputs is not base64"]),
    "letters that are not ASCII": ({"inputs": "é" * 8}, ["not base64"]),
    "a number": ({"inputs": 7}, ["inputs has no image"]),
    "no image in the list": ({"inputs": []}, ["inputs has no image"]),
    "the second is no string": ({"inputs": [IMAGE, {}]}, ["inputs[1]", "no string"]),
    "an empty image": ({"inputs": ""}, ["inputs is empty"]),
    "both": ({"inputs": IMAGE, "instances": [IMAGE]}, ["'instances'"]),
    "an unknown field": ({"inputs": IMAGE, "options": {}}, ["'options'"]),
    "instances of one string": ({"instances": IMAGE}, ["instances is no list"]),
    "an instance of another kind": ({"instances": [{"image": IMAGE}]}, ["instances[0]"]),
    "parameters of a list": ({"inputs": IMAGE, "parameters": []}, ["parameters"]),
    "a data URI as text": ({"inputs": "data:image/png,abc"}, ["data URI"]),
    "many values": (b'{"inputs": [' + b"[]," * 9999 + b"[]]}", ["10000 values"]),
    "deep": (b"[" * 9000, ["no JSON object"]),
}
PARAMETERS = {
    "unknown": ({"thresold": 0.5}, ["'thresold'", "did you mean threshold"]),
    "a boolean": ({"threshold": True}, ["'True'", "from 0 to 1"]),
    "a string": ({"threshold": "0.5"}, ["from 0 to 1"]),
    "too high": ({"threshold": 1.5}, ["1.5"]),
    "not a number": ({"threshold": float("nan")}, ["'nan'"]),
    "masks of a detector": ({"masks": True}, ["no masks"]),
    "a number for masks": ({"masks": 1}, ["true or false"]),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_json_is_refused(service, case):
    content, words = MALFORMED[case]
    assert is_refusal(ask(service, content), 400, "json", *words)


@pytest.mark.parametrize("case", PARAMETERS)
def test_an_error_in_a_parameter_is_named(service, case):
    parameters, words = PARAMETERS[case]
    assert is_refusal(ask(service, {"inputs": IMAGE, "parameters": parameters}), 400, "usage", *words)


def test_a_parameter_is_in_the_query_or_in_the_body(service):
    content = {"inputs": IMAGE, "parameters": {"threshold": 0.5}}
    assert is_refusal(ask(service, content, "/predict?threshold=0.5"), 400, "usage", "query and in the body")
    assert ask(service, {"inputs": IMAGE}, "/predict?threshold=1").json == []


def test_an_invalid_image_among_several_is_named(service):
    content = {"inputs": [IMAGE, text(b"no picture"), IMAGE]}
    assert is_refusal(ask(service, content), 422, "image", "image 2 of 3")
    assert is_refusal(ask(service, {"inputs": text(b"no picture")}), 422, "image")
    assert is_refusal(service.predict(form_of(encoded(), b"x"), headers=FORM), 422, "image", "image 2 of 2")


def test_a_compressed_body_is_refused(service):
    answer = service.predict(encoded(), headers={"Content-Encoding": "gzip"})
    assert is_refusal(answer, 415, "encoding", "'gzip'")
    assert service.predict(encoded(), headers={"Content-Encoding": "identity"}).status == 200


def test_images_and_bytes_of_a_request_are_limited():
    limits = Limits(images=3, queue=2, body_bytes=60_000, all_bytes=90_000, pixels=10_000)
    with serving(limits=limits) as served:
        assert len(ask(served, {"inputs": [IMAGE] * 2}).json) == 2
        assert is_refusal(ask(served, {"inputs": [IMAGE] * 3}), 413, "too_many", "3 images", "limit of 2")
        assert is_refusal(ask(served, {"instances": [IMAGE] * 3}), 413, "too_many")
        assert is_refusal(served.predict(form_of(*[encoded(8, 8)] * 3), headers=FORM), 400, "multipart", "2 parts")
        assert served.predict(bytes(40_000)).status == 422
        large = ask(served, b'{"inputs": "' + b"A" * 40_000 + b'"}')
        assert is_refusal(large, 413, "too_large", "limit of 30000 bytes"), "it would be in memory three times"
        assert ask(served, {"inputs": IMAGE}).status == 200, "all memory was returned"


def test_one_refused_image_takes_the_others_out_of_the_queue():
    detector = Watched()
    with serving(detector, batch=1, limits=Limits(queue=8)) as served:
        seen = len(detector.batches)
        detector.before = lambda pixels: __import__("time").sleep(0.2)
        answer = ask(served, {"inputs": [text(b"no picture"), *[IMAGE] * 6]})
        assert is_refusal(answer, 422, "image", "image 1 of 7")
        detector.before = lambda pixels: None
        assert ask(served, {"inputs": IMAGE}).status == 200
        assert len(detector.batches) - seen <= 3, "the rest was never run"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_finds_objects(service, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded())
    (tmp_path / "a.json").write_text(json.dumps({"inputs": text(encoded())}))
    address = f"http://127.0.0.1:{service.port}"
    for words in (
        ["--data-binary", "@a.png", f"{address}/predict"],
        ["-F", "first=@a.png", f"{address}/invocations"],
        ["-H", "Content-Type: application/json", "--data-binary", "@a.json", f"{address}/"],
    ):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", *words],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        assert json.loads(done.stdout) == service.predict(encoded()).json


def test_the_routes_of_platforms():
    with serving(health_routes=("/mine/health",), predict_routes=("/mine:predict",), token="sesame") as served:
        for path in ("/ping", "/health", "/mine/health", "/v2/health/ready"):
            assert (served.get(path).status, served.get(path).json) == (200, {"ready": True})
        body, token = json.dumps({"instances": [IMAGE]}), {"Authorization": "Bearer sesame"}
        assert served.ask("POST", "/mine:predict", body, headers=JSON | token).json.keys() == {"predictions"}
        for path in ("/", "/invocations", "/mine:predict", "/v2/models/tiny/infer", "/docs"):
            refused = served.ask("GET" if path == "/docs" else "POST", path, None if path == "/docs" else body)
            assert refused.status == 401


def test_ping_says_when_the_service_is_not_ready():
    seen, released, detector = [], threading.Event(), Watched()
    detector.before = lambda pixels: released.wait(20)

    def look(served):
        seen.append(served.get("/ping"))
        released.set()

    with serving(detector, before_ready=look):
        pass
    assert is_refusal(seen[0], 503, "not_ready", "starting")
