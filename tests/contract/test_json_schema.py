"""The JSON that programs read: exactly these keys, of these kinds."""

import json

import numpy as np
import pytest

from condetr.cli.main import run
from condetr.images.detections import Detections
from condetr.prediction.predictor import Failure, Predictor
from tests.tiny import LABELS, PREPROCESSING, tiny_detector, tiny_segmenter

RESULT = {"source": str, "size": [int], "detections": [{"box": [float], "score": float, "label": int, "name": str}]}
MASK = {"size": [int], "counts": str}
INSTANCES = RESULT | {"detections": [RESULT["detections"][0] | {"mask": MASK}]}
FAILURE = {"code": str, "source": str, "item": (str, None), "reason": str, "hint": (str, None)}
COUNTS = {"ok": int, "failed": int, "before": int}
PREDICT = {
    "model": {"path": str, "revision": (str, None)},
    "output": (str, None),
    "results": [RESULT],
    "failures": [FAILURE],
    "counts": COUNTS,
    "interrupted": bool,
}
INFO_KEYS = {
    "parameters", "flops", "flops_image_size", "classes", "architecture", "preprocessing", "path", "revision",
    "dialect", "notes",
}  # fmt: skip
DOCTOR_KEYS = {
    "condetr", "python", "platform", "versions", "extras", "devices", "device", "threads", "cores", "cache", "here",
    "offline", "problems", "vector_units", "torch_uses", "models", "speed", "hub_answers",
}  # fmt: skip


def assert_fits(value, schema, where="$"):
    if isinstance(schema, dict):
        assert isinstance(value, dict), where
        assert set(value) == set(schema), where
        for key, inner in schema.items():
            assert_fits(value[key], inner, f"{where}.{key}")
    elif isinstance(schema, list):
        assert isinstance(value, list), where
        assert value, f"{where} shows nothing"
        for position, item in enumerate(value):
            assert_fits(item, schema[0], f"{where}[{position}]")
    elif isinstance(schema, tuple):
        assert value is None or type(value) in schema, where
    else:
        assert type(value) is schema, where


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from condetr.checkpoints.saving import save

    folder = tmp_path_factory.mktemp("tiny")
    save(folder, tiny_detector(), LABELS, preprocessing=PREPROCESSING.to_dict())
    return folder


@pytest.fixture
def photo(tmp_path):
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def said_by(capsys, *words):
    run([str(word) for word in (*words, "--json")])
    return json.loads(capsys.readouterr().out)


def test_a_result_and_a_failure(photo):
    predictor = Predictor(tiny_detector(), PREPROCESSING, LABELS, threshold=0.1, device="cpu")
    found, failed = predictor.predict([photo, "gone.jpg"], on_error="collect")
    assert isinstance(found, Detections)
    assert isinstance(failed, Failure)
    assert_fits(json.loads(found.to_json()), RESULT)
    assert_fits(json.loads(json.dumps(failed.to_dict())), FAILURE)


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_a_result_with_masks(photo, task):
    predictor = Predictor(
        tiny_segmenter(), PREPROCESSING, LABELS, threshold=0.1, overlap=0.0, task=task, stuff=[2], device="cpu"
    )
    (found,) = predictor.predict([photo])
    assert_fits(json.loads(found.to_json()), INSTANCES | ({"panoptic": bool} if task == "panoptic" else {}))


def test_the_files_of_segments(capsys, photo, tmp_path):
    from condetr.checkpoints.saving import save

    flat = {"label_ids_to_fuse": [2]}
    save(tmp_path / "model", tiny_segmenter(), LABELS, preprocessing=PREPROCESSING.to_dict(), flat=flat)
    words = ("predict", photo, "--model", tmp_path / "model", "--threshold", "0.1", "--output", tmp_path / "out")
    said_by(capsys, *words, "--save", "coco,coco-panoptic")
    content = json.loads((tmp_path / "out/coco_panoptic.json").read_text())
    segment = {"id": int, "category_id": int, "score": float}
    panoptic = {
        "images": [{"id": int, "file_name": str, "height": int, "width": int}],
        "annotations": [{"image_id": int, "file_name": str, "segments_info": [segment]}],
        "categories": [{"id": int, "name": str, "isthing": int}],
    }
    assert_fits(content, panoptic)
    coco = {"image_id": int, "category_id": int, "bbox": [float], "score": float, "segmentation": MASK}
    assert_fits(json.loads((tmp_path / "out/coco_results.json").read_text()), [coco])


def test_predict(capsys, model, photo):
    (photo.parent / "bad.jpg").touch()
    assert_fits(said_by(capsys, "predict", photo.parent, "--model", model, "--threshold", "0.1"), PREDICT)


def test_the_files_of_predict(capsys, model, photo, tmp_path):
    out = tmp_path / "out"
    (photo.parent / "bad.jpg").touch()
    words = ("predict", photo, photo.parent / "bad.jpg", "--model", model, "--threshold", "0.1", "--output", out)
    said_by(capsys, *words, "--save", "json,coco,csv")
    assert_fits(json.loads((out / "json/a.json").read_text()), RESULT)
    assert_fits(json.loads((out / "predictions.jsonl").read_text()), RESULT | {"output": str})
    assert_fits(json.loads((out / "errors.jsonl").read_text()), FAILURE)
    coco = {"image_id": int, "category_id": int, "bbox": [float], "score": float}
    assert_fits(json.loads((out / "coco_results.json").read_text()), [coco])
    images = {"id": int, "file_name": str, "height": int, "width": int}
    assert_fits(json.loads((out / "coco_images.json").read_text()), [images])
    assert (out / "predictions.csv").read_text().startswith("source,label,name,score,x1,y1,x2,y2\n")


def test_info_convert_and_doctor(capsys, model, tmp_path):
    assert set(said_by(capsys, "info", model, "--image-size", "64x96")) == INFO_KEYS
    assert set(said_by(capsys, "doctor")) == DOCTOR_KEYS
    answer = said_by(capsys, "convert", model, tmp_path / "out")
    assert set(answer) == {"output", "classes", "dialect", "revision", "notes"}
