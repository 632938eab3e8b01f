"""``condetr benchmark``."""

import json

import pytest
from PIL import Image


@pytest.mark.slow
def test_sizes_times_batches(condetr_json, model, photos, tmp_path):
    words = ("--image-size", "40x56,64x48", "--batch", "1,2", "--rounds", 2, "--output", "out")
    status, answer, _ = condetr_json("benchmark", "--model", model, "--pictures", photos / "a.png", *words)
    assert status == 0
    assert [(row["size"], row["batch"]) for row in answer["rows"]] == [
        ([40, 56], 1),
        ([40, 56], 2),
        ([64, 48], 1),
        ([64, 48], 2),
    ]
    assert (answer["backend"], answer["pictures"], answer["rounds"]) == ("torch", 1, 2)
    assert answer["rows"][1]["operations"] == 2 * answer["rows"][0]["operations"] > 0
    assert answer == json.loads((tmp_path / "out/benchmark.json").read_text())
    with Image.open(tmp_path / "out/benchmark.png") as chart:
        assert chart.width > 600


@pytest.mark.slow
def test_a_table_for_people(condetr, model):
    status, out, _ = condetr("benchmark", "--model", model, "--rounds", 2)
    assert status == 0
    head, row = out.splitlines()[-2:]
    assert head.split()[:7] == ["size", "batch", "decode", "prepare", "forward", "score", "total"]
    assert row.split()[:2] == ["48x64", "1"]


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (("--batch", "0"), 2, "expected whole numbers of at least 1"),
        (("--batch", "two"), 2, "expected whole numbers of at least 1"),
        (("--image-size", "640"), 2, "expected HEIGHTxWIDTH"),
        (("--rounds", "1"), 2, "expected at least 2"),
        (("--pictures", "nowhere"), 2, "nowhere: cannot be read"),
        (("--backend", "onnx"), 2, "is no graph for onnx"),
        (("--pictures", "photos/bad1.jpg"), 3, "bad1.jpg"),
    ],
)
def test_what_cannot_be_done_is_reported_in_one_line(condetr, model, photos, words, status, reason):
    result, out, err = condetr("benchmark", "--model", model, *words)
    assert (result, out) == (status, "")
    assert reason in err


def test_a_used_output_is_refused(condetr, model, photos):
    status, _, err = condetr("benchmark", "--model", model, "--output", photos)
    assert status == 2
    assert "exists and is not an empty folder" in err
