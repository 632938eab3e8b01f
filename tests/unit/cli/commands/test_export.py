"""``condetr export``, and predicting with what it wrote."""

import importlib
import json
import shutil

import pytest

from tests.exports import exported_once
from tests.unchecked import without_shape_checks


@pytest.fixture(autouse=True)
def _unchecked():
    with without_shape_checks():
        yield


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """The tiny model for OpenVINO."""
    import condetr

    export = condetr.load(model).export
    return exported_once(tmp_path_factory.getbasetemp(), "of-commands", "openvino", export).folder


@pytest.mark.slow
def test_exported_then_predicted_with(condetr_json, model, photos):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    words = ("--format", "onnx", "--pictures", photos, "--output", "out", "--post-processing", 5)
    status, answer, err = condetr_json("export", "--model", model, *words)
    assert status == 0
    assert err == ""
    assert (answer["output"], answer["format"], answer["precision"], answer["dynamic"]) == ("out", "onnx", "fp32", True)
    assert answer["verification"]["difference"] < 1e-4
    assert answer["outputs"]["scores"]["shape"] == ["batch", 5]
    assert answer == {"output": "out"} | json.loads((photos.parent / "out/export.json").read_text())
    found, expected = (
        condetr_json("predict", photos, "--model", reference, "--threshold", "0.3", "--batch", 2, *backend)[1]
        for reference, backend in (("out", ("--backend", "onnx")), (model, ()))
    )
    assert found["counts"] == expected["counts"] == {"ok": 3, "failed": 2, "before": 0}
    for theirs, ours in zip(found["results"], expected["results"], strict=True):
        assert [detection["name"] for detection in theirs["detections"]] == [
            detection["name"] for detection in ours["detections"]
        ]
        for one, other in zip(theirs["detections"], ours["detections"], strict=True):
            assert one["box"] == pytest.approx(other["box"], abs=1e-2)
            assert one["score"] == pytest.approx(other["score"], abs=1e-4)


@pytest.mark.slow
def test_messages_of_export(condetr, exported, tmp_path):
    status, out, _ = condetr("info", exported)
    assert status == 0
    assert "this is a graph for openvino in fp32" in out
    status, out, _ = condetr("predict", _image(tmp_path), "--model", exported, "--backend", "openvino")
    assert (status, out) == (0, "1 ok, 0 failed; results in runs/predict\n")


@pytest.mark.slow
def test_a_difference_beyond_the_tolerance_is_a_gate(condetr, model, tmp_path):
    words = ("--model", model, "--format", "torch-export", "--no-dynamic", "--precision", "fp16", "--output", "out")
    status, out, err = condetr("export", *words, "--tolerance", "1e-9")
    assert (status, out) == (8, "")
    assert "verify: the graph differs from the model by" in err
    assert "more than 1e-09" in err
    assert not (tmp_path / "out").exists()
    status, out, _ = condetr("export", *words, "--no-verify")
    assert status == 0
    assert "verified not at all: --no-verify" in out
    assert (tmp_path / "out/model.pt2").is_file()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--format", "tflite"), "format"),
        (
            ("--precision", "int8", "--format", "torch-export"),
            "int8 is supported for onnx and openvino, not for torch-export",
        ),
        (("--precision", "int8"), "int8 is calibrated on images"),
        (("--precision", "int8", "--format", "openvino"), "int8 is calibrated on images"),
        (("--image-size", "64x64"), "--image-size: is for a graph of one size (give --no-dynamic, too)"),
        (("--image-size", "64", "--no-dynamic"), "--image-size: is '64', expected HEIGHTxWIDTH such as 480x640"),
        (("--post-processing", "0"), "is 0, expected at least 1"),
        (("--data", "somewhere"), "is for int8"),
        (
            ("--format", "executorch"),
            "dynamic: graphs for executorch have one size (--no-dynamic --image-size 480x640)",
        ),
        (
            ("--format", "executorch", "--precision", "fp16"),
            "fp16 is supported for onnx, openvino, torch-export and tensorrt",
        ),
        (("--target", "vnni"), "target: is for int8 (--precision int8)"),
        (("--format", "torch-export", "--pictures", "nowhere"), "nowhere: cannot be read"),
    ],
)
def test_a_typo_is_reported_in_one_line(condetr, model, words, reason):
    status, out, err = condetr("export", "--model", model, *words)
    assert (status, out) == (2, "")
    assert reason in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("library", "form"),
    [("onnx", "onnx"), ("openvino", "openvino"), ("executorch", "executorch"), ("tensorrt", "tensorrt")],
)
def test_a_missing_extra_is_reported_with_the_pip_line(condetr, model, monkeypatch, library, form):
    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name, *more: _absent(name, library) or real(name, *more))
    one_size = ("--no-dynamic",) if form == "executorch" else ()
    status, _, err = condetr("export", "--model", model, "--format", form, *one_size)
    assert status == 7
    assert f'needs {library} (pip install "condetr[{form}]")' in err


def _absent(name, library):
    if name == library:
        raise ImportError(name)


def test_a_model_is_no_graph(condetr, model, tmp_path):
    status, _, err = condetr("predict", _image(tmp_path), "--model", model, "--backend", "onnx")
    assert status == 2
    assert f"is no graph for onnx (condetr export --model {model} --format onnx" in err


@pytest.mark.slow
def test_a_damaged_folder_is_named(condetr, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "copy")
    (folder / "model.bin").write_bytes(b"")
    status, _, err = condetr("predict", _image(tmp_path), "--model", folder)
    assert status == 5
    assert "copy/model.bin: has 0 bytes, expected" in err


def _image(folder):
    from PIL import Image

    path = folder / "one.png"
    Image.effect_noise((40, 30), 80).convert("RGB").save(path)
    return path
