"""The ML backend answers Label Studio's requests, recorded here as its documentation and its client have them."""

import json
import sys

import pytest

from condetr.serving.label_studio.routes import LabelStudio
from condetr.serving.label_studio.rows import rows_with_outlines
from condetr.serving.label_studio.task_images import TaskImages
from condetr.serving.label_studio.train_hook import TrainHook
from condetr.serving.limits import Limits
from tests.tiny import tiny_segmenter
from tests.unit.data.label_studio.test_writing import assert_is_region
from tests.unit.serving.served import encoded, eventually, predictor_of, serving

BOXES = """<View>
  <Image name="img" value="$photo" zoom="true"/>
  <RectangleLabels name="tag" toName="img">
    <Label value="Cat" background="green"/>
    <Label value="Animal" predicted_values="dog,horse"/>
  </RectangleLabels>
</View>"""
POLYGONS = """<View><Image name="img" value="$photo"/><PolygonLabels name="outline" toName="img">
<Label value="cat"/><Label value="dog"/><Label value="bird"/></PolygonLabels></View>"""
SETUP = {
    "project": "7.1700000000",
    "schema": BOXES,
    "hostname": "http://localhost:8080",
    "access_token": "0123456789abcdef0123456789abcdef01234567",
    "extra_params": None,
}


def predict_request(*addresses, config=BOXES):
    tasks = [
        {
            "id": number,
            "data": {"photo": address},
            "meta": {},
            "created_at": "2026-01-01T00:00:00.000000Z",
            "is_labeled": False,
            "project": 7,
            "annotations": [],
            "predictions": [],
        }
        for number, address in enumerate(addresses, start=1)
    ]
    return {
        "tasks": tasks,
        "model_version": None,
        "project": "7.1700000000",
        "label_config": config,
        "params": {"login": None, "password": None, "context": None},
    }


@pytest.fixture
def root(tmp_path):
    for name in ("root/photos/a b.png", "data/media/upload/7/c0ffee-b.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(encoded())
    (tmp_path / "secret.png").write_bytes(encoded())
    return tmp_path


def backend_of(root, **options):
    images = TaskImages(root / "root", root / "data", 2**20)
    backend = LabelStudio(images, "runs/a", **options)
    return {"make_app": backend.application, "rows": rows_with_outlines(1.0)}


def post(service, path, content, **headers):
    return service.ask("POST", path, json.dumps(content), {"content-type": "application/json", **headers})


NAMES = ("cat", "dog", "bird")
LOCAL = "/data/local-files/?d=photos/a%20b.png"


def test_health_and_setup(root):
    with serving(threshold=0.3, classes=NAMES, protocol=backend_of(root)) as service:
        for path in ("/", "/health"):
            answer = service.get(path)
            assert (answer.status, answer.json["status"]) == (200, "UP")
        answer = post(service, "/setup", SETUP)
        assert (answer.status, answer.json) == (200, {"model_version": "runs/a"})
        assert service.entry_of(answer)["without_label"] == ["bird"]
        assert service.get("/versions").json == {"versions": ["runs/a"]}


def test_predictions_are_regions_of_the_project(root):
    uploaded = "http://localhost:8080/data/upload/7/c0ffee-b.png"
    with serving(threshold=0.3, classes=NAMES, protocol=backend_of(root)) as service:
        answer = post(service, "/predict", predict_request(LOCAL, uploaded))
        assert answer.status == 200
        results = answer.json["results"]
        assert len(results) == 2
        assert results[0] == results[1], "the same image"
    assert results[0]["result"], "something is detected"
    for region in results[0]["result"]:
        assert_is_region(region, {"tag": "rectanglelabels"}, {"tag": ["Cat", "Animal"]}, scored=True)
        assert (region["to_name"], region["original_width"], region["original_height"]) == ("img", 40, 30)
        assert region["score"] > 0.3
    expected = predictor_of(service.detector, threshold=0.3).predict([encoded()])[0]
    kept = [detection for detection in expected if detection.name != "bird"]
    assert [region["score"] for region in results[0]["result"]] == pytest.approx([one.score for one in kept])
    for region, detection in zip(results[0]["result"], kept, strict=True):
        value = region["value"]
        x, y = value["x"] * 0.4, value["y"] * 0.3
        box = (x, y, x + value["width"] * 0.4, y + value["height"] * 0.3)
        assert box == pytest.approx(detection.box, abs=1e-3)
        assert value["rectanglelabels"] == [{"cat": "Cat", "dog": "Animal"}[detection.name]]
    assert results[0]["model_version"] == "runs/a"


@pytest.mark.slow
def test_masks_are_polygons(root):
    predictor = predictor_of(tiny_segmenter(), task="instance")
    with serving(predictor=predictor, threshold=0.2, classes=NAMES, protocol=backend_of(root)) as service:
        answer = post(service, "/predict", predict_request(LOCAL, config=POLYGONS))
        assert answer.status == 200
        for region in answer.json["results"][0]["result"]:
            assert_is_region(region, {"outline": "polygonlabels"}, {"outline": ["cat", "dog", "bird"]}, scored=True)
        assert any(len(region["value"]["points"]) > 4 for region in answer.json["results"][0]["result"])


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("/data/local-files/?d=../secret.png", 422, "outside of the folder"),
        ("/data/local-files/?d=/etc/passwd", 422, "cannot be read"),
        ("/data/local-files/?d=photos/gone.png", 422, "cannot be read"),
        ("/data/upload/../../../secret.png", 422, "outside of the folder"),
        ("http://169.254.169.254/latest/meta-data", 422, "none is fetched"),
        ("s3://bucket/a.png", 422, "none is fetched"),
        ("data:image/png;base64,####", 422, "not base64"),
        (None, 422, "no address"),
        (7, 422, "no address"),
    ],
)
def test_images_that_are_not_read(root, address, status, message):
    with serving(threshold=0.3, classes=NAMES, protocol=backend_of(root)) as service:
        answer = post(service, "/predict", predict_request(address))
        assert (answer.status, message in answer.error["message"]) == (status, True)
        assert str(root) not in answer.error["message"]
        both = post(service, "/predict", predict_request(address, LOCAL))
        assert both.status == 200
        assert [bool(result["result"]) for result in both.json["results"]] == [False, True]
        assert message in service.entry_of(both)["failed"][0]


def test_inline_images_are_read(root):
    import base64

    address = f"data:image/png;base64,{base64.b64encode(encoded()).decode()}"
    with serving(threshold=0.3, classes=NAMES, protocol=backend_of(root)) as service:
        assert post(service, "/predict", predict_request(address)).json["results"][0]["result"]


@pytest.mark.parametrize(
    ("path", "content", "code"),
    [
        ("/predict", [], "json"),
        ("/predict", {"label_config": BOXES}, "tasks"),
        ("/predict", {"tasks": [1], "label_config": BOXES}, "tasks"),
        ("/predict", {"tasks": [], "label_config": "<View>"}, "label_config"),
        ("/predict", {"tasks": [], "label_config": "<View><Text name='t'/></View>"}, "label_config"),
        ("/setup", {"schema": "<!DOCTYPE a [<!ENTITY b 'c'>]><View>&b;</View>"}, "label_config"),
        ("/setup", {}, "label_config"),
    ],
)
def test_requests_that_are_refused(root, path, content, code):
    with serving(threshold=0.3, classes=NAMES, protocol=backend_of(root)) as service:
        answer = post(service, path, content)
        assert (answer.status, answer.error["code"]) == (400, code)


def test_brush_masks_are_read_and_lists_without_end_are_not(root):
    request = predict_request(LOCAL)
    request["tasks"][0]["annotations"] = [{"result": [{"value": {"format": "rle", "rle": [0] * 900_000}}]}]
    with serving(threshold=0.3, classes=NAMES, protocol=backend_of(root)) as service:
        assert post(service, "/predict", request).json["results"][0]["result"]
        for path in ("/predict", "/webhook"):
            answer = post(service, path, request | {"extra": [[]] * 100_000})
            assert (answer.status, answer.error["code"]) == (400, "json")
            assert "more than 1000000 values" in answer.error["message"]


def test_values_count_against_the_memory_of_all_requests(root):
    limits = Limits(body_bytes=2**20, all_bytes=2**20)
    request = predict_request(LOCAL) | {"extra": [0] * 20_000}
    with serving(threshold=0.3, classes=NAMES, protocol=backend_of(root), limits=limits) as service:
        answer = post(service, "/predict", request)
        assert (answer.status, answer.error["code"]) == (503, "busy")
        assert post(service, "/predict", predict_request(LOCAL)).status == 200, "and are returned"


def test_the_token_may_be_a_password(root):
    import base64

    with serving(threshold=0.3, token="geheim", classes=NAMES, protocol=backend_of(root)) as service:
        assert service.get("/health").status == 200
        assert post(service, "/setup", SETUP).status == 401
        for user, password, status in (("me", "geheim", 200), ("me", "other", 401)):
            basic = base64.b64encode(f"{user}:{password}".encode()).decode()
            assert post(service, "/setup", SETUP, authorization=f"Basic {basic}").status == status
        assert post(service, "/setup", SETUP, authorization="Bearer geheim").status == 200


def test_training_runs_a_command(root, tmp_path):
    event = {"action": "START_TRAINING", "project": {"id": 7, "label_config": BOXES}}
    code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read()); time.sleep(1)"
    hook = TrainHook([sys.executable, "-c", code, str(tmp_path / "event.json")])
    with serving(threshold=0.3, classes=NAMES, protocol=backend_of(root, hook=hook)) as service:
        created = {"action": "ANNOTATION_CREATED", "project": {"id": 7}}
        assert post(service, "/webhook", created).json == {"status": "ignored"}
        answer = post(service, "/webhook", event)
        assert (answer.status, answer.json) == (201, {"status": "started"})
        assert post(service, "/webhook", event).json == {"status": "running"}
        eventually(lambda: not hook.is_running)
        assert json.loads((tmp_path / "event.json").read_text()) == event
    with serving(threshold=0.3, classes=NAMES, protocol=backend_of(root)) as service:
        assert post(service, "/webhook", event).status == 501
