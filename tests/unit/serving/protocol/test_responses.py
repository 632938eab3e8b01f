"""Responses of the service."""

import base64
import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.serving.served import Watched, encoded, predictor_of, serving

BOUNDARY = "a1b2"


def rows_of(image):
    [found] = predictor_of(Watched()).predict([image])
    sides = ("xmin", "ymin", "xmax", "ymax")
    return [
        {"score": labeled.score, "label": labeled.name, "box": dict(zip(sides, map(int, labeled.box), strict=True))}
        for labeled in found
    ]


def form(content, boundary=BOUNDARY, filename="a.png"):
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{filename}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()


def form_type(boundary=BOUNDARY):
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def same(rows, expected):
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    assert [row["score"] for row in rows] == pytest.approx([row["score"] for row in expected], abs=1e-5)
    for row, other in zip(rows, expected, strict=True):
        for side in row["box"]:
            assert abs(row["box"][side] - other["box"][side]) <= 1, "truncated to whole pixels"
    return True


@pytest.mark.parametrize("form_", ["PNG", "JPEG", "WEBP", "BMP"])
def test_are_what_the_predictor_finds(service, form_):
    image = encoded(form=form_)
    answer = service.predict(image)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json) > 10
    assert same(answer.json, rows_of(image))


def test_a_form_is_as_good_as_a_body(service):
    image = encoded(seed=1)
    answer = service.predict(form(image), headers=form_type())
    assert answer.status == 200
    assert answer.json == service.predict(image).json
    quoted = service.predict(form(image, "a b"), headers={"Content-Type": 'multipart/form-data; boundary="a b"'})
    assert quoted.json == answer.json


def test_the_threshold_is_the_callers(service):
    image = encoded(seed=2)
    everything = service.predict(image).json
    middle = everything[len(everything) // 2]["score"]
    some = service.predict(image, f"?threshold={middle!r}").json
    assert some == [row for row in everything if row["score"] > middle]
    assert service.predict(image, "?threshold=1").json == []


def test_every_answer_has_an_id_and_tells_browsers_to_keep_out(service):
    answer = service.predict(encoded(), headers={"X-Request-ID": "mine-1.2_3", "Origin": "http://elsewhere"})
    assert answer.headers["x-request-id"] == "mine-1.2_3"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert not any(name.startswith("access-control") or name == "server" for name in answer.headers)
    made_up = service.get("/nowhere", headers={"X-Request-ID": "<script>" * 20})
    assert re.fullmatch("[0-9a-f]{32}", made_up.headers["x-request-id"])
    assert made_up.error["request_id"] == made_up.headers["x-request-id"]
    entry = service.entry_of(made_up)
    assert entry | {"time": 0, "ms": 0} == {
        "time": 0,
        "request_id": made_up.error["request_id"],
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/nowhere",
        "status": 404,
        "ms": 0,
        "code": "not_found",
    }
    json.dumps(service.log)


def test_images_of_one_size_share_batches_and_none_is_padded():
    detector = Watched()
    sizes = [(30, 40), (40, 30), (48, 48)]
    images = [encoded(*sizes[i % 3], seed=i) for i in range(24)]
    with serving(detector) as served, ThreadPoolExecutor(24) as pool:
        detector.before = lambda pixels: __import__("time").sleep(0.05)
        answers = list(pool.map(served.predict, images))
    assert all(same(answer.json, rows_of(image)) for answer, image in zip(answers, images, strict=True))
    batches = detector.batches[1:]
    assert sum(batch[0] for batch in batches) == 24
    assert len(batches) < 15
    assert max(batch[0] for batch in batches) <= 4
    assert {batch[2:] for batch in batches} == {(48, 64), (64, 48), (48, 48)}


def test_health_and_metadata(service):
    assert service.get("/v2/health/live").json == {"live": True}
    assert service.get("/v2/health/ready").json == {"ready": True}
    assert service.get("/v2/models/tiny/ready").json == {"ready": True}
    assert service.get("/v2").json == {"name": "condetr", "version": "0", "extensions": ["binary_tensor_data"]}
    model = service.get("/v2/models/tiny").json
    assert (model["name"], model["versions"], model["classes"]) == ("tiny", ["1"], ["cat"])
    assert [output["name"] for output in model["outputs"]] == ["score", "label", "box", "image"]
    assert service.get("/v2/models/tiny/versions/1").json == model
    assert service.get("/v2/models/other").status == 404
    assert service.ask("HEAD", "/v2/health/live").status == 200


def test_the_metrics_count(service):
    service.predict(encoded())
    text = service.get("/metrics").body.decode()
    values = dict(re.findall(r"^(condetr_\S+|process_\S+) (\S+)$", text, re.MULTILINE))
    assert float(values['condetr_requests_total{path="/predict",status="200"}']) >= 1
    assert float(values["condetr_batch_pictures_sum"]) >= 2
    assert float(values["condetr_in_hand"]) == 0
    assert float(values["process_resident_memory_bytes"]) > 1e6
    service.get("/a/path/of/nobody")
    assert "nobody" not in service.get("/metrics").body.decode(), "clients cannot make it grow"


def test_openapi_tells_the_truth(service):
    document = service.get("/openapi.json").json
    for path, item in document["paths"].items():
        if "get" in item:
            answer = service.get(path)
            schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            assert answer.status == 200
            assert set(schema["required"]) <= answer.json.keys()
    [row, *_] = service.predict(encoded()).json
    schemas = document["components"]["schemas"]
    assert row.keys() == set(schemas["Detection"]["required"])
    assert service.predict(b"").json["error"].keys() == set(schemas["Refusal"]["properties"]["error"]["required"])
    answer = {parameter["name"] for parameter in document["paths"]["/predict"]["post"]["parameters"]}
    assert answer == {"threshold", "masks"}
    posts = {path for path, item in document["paths"].items() if "post" in item}
    assert posts == {"/", "/predict", "/invocations", "/v2/models/tiny/infer"}
    refused = service.ask("POST", "/v2/models/tiny/infer", b"{}").json
    assert refused.keys() == set(schemas["InferRefusal"]["required"])


def test_docs_are_one_page_without_scripts(service):
    answer = service.get("/docs")
    page = answer.body.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for path in service.get("/openapi.json").json["paths"]:
        assert path in page
    assert not re.search(r"<script|<link|<img|src=|@import|url\(", page)
    assert not re.search(r"https?://", page), "nothing comes from elsewhere"
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)[1].encode()
    hashed = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert answer.headers["content-security-policy"] == f"default-src 'none'; style-src 'sha256-{hashed}'"


def test_docs_escape_the_names_of_classes():
    with serving(classes=("<img src=x onerror=alert(1)>", "a&b")) as served:
        page = served.get("/docs").body.decode()
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "a&amp;b" in page


def test_clients_of_the_hosted_services_understand_it(service, monkeypatch):
    """As huggingface_hub parses the answers of the hosted API."""
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # which is about other machines
    client = hub.InferenceClient(model=f"http://127.0.0.1:{service.port}/predict", token="none")
    found = client.object_detection(encoded())
    rows = service.predict(encoded()).json
    assert [(labeled.label, labeled.score, labeled.box.xmin) for labeled in found] == [
        (row["label"], row["score"], row["box"]["xmin"]) for row in rows
    ]
