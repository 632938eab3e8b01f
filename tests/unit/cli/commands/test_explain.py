import json

import numpy as np
import pytest
from PIL import Image


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


EACH = ["bands.png", "encoder.png", "explanation.json", "explanation.npz", "layers.png"]


def test_the_best_detection_is_explained_unless_another_is_asked_for(condetr, model, photos, tmp_path):
    words = ("explain", photos / "a.png", "--model", model, "--threshold", "0.3")
    status, out, err = condetr(*words)
    assert (status, err) == (0, "")
    assert out.startswith("0: cat, score 0.")
    assert "heads: 1 " in out
    assert out.endswith("; figures in runs/explain\n")
    assert files_in(tmp_path / "runs/explain") == EACH
    assert condetr(*words, "--detection", "1")[1].startswith("1: ")
    assert json.loads((tmp_path / "runs/explain-2/explanation.json").read_text())["detection"] == 1
    with np.load(tmp_path / "runs/explain/explanation.npz") as arrays:
        np.testing.assert_allclose(arrays["combined"].sum((2, 3)), 1, atol=1e-5)
    with Image.open(tmp_path / "runs/explain/bands.png") as figure:
        assert figure.format == "PNG"


def test_all_detections(condetr, model, photos, tmp_path):
    status, out, _ = condetr(
        "explain", photos / "a.png", "--model", model, "--detection", "all", "--threshold", "0", "--top-k", "2",
        "--output", "out",
    )  # fmt: skip
    assert status == 0
    assert out.endswith("2 detections; figures in out\n")
    folders = ("detection-0", "detection-1")
    assert files_in(tmp_path / "out") == [*(f"{folder}/{name}" for folder in folders for name in EACH), "overview.png"]


def test_json(condetr_json, model, photos):
    words = ("explain", photos / "a.png", "--model", model, "--top-k", "2", "--pixel", "3,4", "--threshold", "0.3")
    _, answer, _ = condetr_json(*words)
    assert set(answer) == {"output", "explanation"}
    assert answer["explanation"]["pixel"] == [3, 4]
    _, every, _ = condetr_json(*words, "--detection", "all")
    assert every["explanations"][0] == answer["explanation"]
    assert set(answer["explanation"]) == {
        "source", "size", "detection", "box", "score", "label", "name", "query", "reference_point", "pixel", "cell",
        "layers",
    }  # fmt: skip
    layer = answer["explanation"]["layers"][0]
    assert set(layer) == {"box", "score", "heads"}
    assert set(layer["heads"][0]) == {"region", "centre"}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--detection", "worst"], 2, "--detection: is 'worst', expected a number from 0, best or all"),
        (["--detection", "99"], 2, "detection: is 99, but the detections above the threshold are 0 to"),
        (["--threshold", "1"], 2, "nothing scores above 1, so there is nothing to explain; the best score is 0."),
        (["--pixel", "1"], 2, "--pixel: is '1', expected pixels X,Y such as 320,240"),
        (["--pixel", "40,0"], 2, "pixel: is 40,0, outside the image, which is 40 wide and 30 high"),
        (["--classes", "unicorn"], 2, "the model has no class 'unicorn'"),
    ],
)
def test_what_cannot_be_explained_is_reported_in_one_line(condetr, model, photos, words, status, says):
    result, out, err = condetr("explain", photos / "a.png", "--model", model, "--threshold", "0.3", *words)
    assert (result, out) == (status, "")
    assert says in err
    assert err.count("\n") == 1


def test_a_bad_image_and_several_images(condetr, model, photos):
    status, _, err = condetr("explain", photos / "bad1.jpg", "--model", model)
    assert status == 3
    assert "bad1.jpg: unsupported format: a web page" in err
    status, _, err = condetr("explain", photos, "--model", model)
    assert status == 2
    assert "explains one image at a time" in err


def test_an_earlier_explanation_is_replaced_only_with_overwrite(condetr, model, photos):
    words = ("explain", photos / "a.png", "--model", model, "--threshold", "0.3", "--output", "out")
    assert condetr(*words)[0] == 0
    status, _, err = condetr(*words)
    assert status == 2
    assert "out: exists and is not an empty folder (give another --output, or --overwrite it)" in err
    assert condetr(*words, "--overwrite")[0] == 0
    status, _, err = condetr(*words[:-1], photos / "a.png" / "out")
    assert status == 2
    assert "cannot be written: Not a directory" in err
