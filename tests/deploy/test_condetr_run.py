"""condetr-run: the same boxes as condetr, without PyTorch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, Exactly, Within
from tests.unchecked import without_shape_checks

SOURCE = Path(__file__).parents[2] / "run/src"
PROGRAM = """
import sys
from condetr_run.command import main
status = main()
heavy = {"torch", "condetr", "scipy", "transformers"} & sys.modules.keys()
sys.exit(f"imported {heavy}" if heavy else status)
"""


@pytest.fixture
def preprocessing(monkeypatch):
    monkeypatch.syspath_prepend(SOURCE)
    from condetr_run import preprocessing

    return preprocessing


def run(*words, cwd):
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_boxes_are_those_of_condetr(digits_as, tmp_path):
    import condetr
    from condetr.data.demo.scenes import scene

    names = []
    for number in range(4):
        image = scene(number, split="val").image
        image = image.resize((image.width * (2 + number) // 2, image.height * (3 - number % 2) // 2))
        names.append(f"{number}.png")
        image.save(tmp_path / names[-1])
    shutil.copytree(digits_as("onnx").folder, tmp_path / "graph")
    with without_shape_checks():
        expected = condetr.load(tmp_path / "graph").predict([tmp_path / name for name in names], threshold=0.3)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    done = run("graph", *names, "bad.png", "missing.png", "--threshold", 0.3, "--threads", 1, cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert [line.partition(" cannot be read")[0] for line in done.stderr.splitlines()] == [
        "error: bad.png:",
        "error: missing.png:",
    ]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["image"] for line in lines] == names
    assert sum(map(len, expected)) > 10
    for line, detections in zip(lines, expected, strict=True):
        rows = line["objects"]
        assert [row["label"] for row in rows] == list(detections.names)
        scores, boxes = [row["score"] for row in rows], [list(row["box"].values()) for row in rows]
        np.testing.assert_allclose(scores, detections.scores.numpy(), atol=0.02)
        np.testing.assert_allclose(boxes, detections.boxes.numpy(), atol=1.0)  # resampling differs by a gray level

    (tmp_path / "graph/model.onnx").write_bytes(b"damaged")
    damaged = run("graph", "0.png", cwd=tmp_path)
    assert (damaged.returncode, damaged.stderr.count("\n")) == (5, 1)
    assert "model.onnx: cannot be read" in damaged.stderr


@pytest.mark.parametrize("words", [["--threshold", "2"], ["--top-k", "0"], ["--top-k", "many"], []])
def test_wrong_words_are_refused(tmp_path, words):
    done = run("graph", *(["a.png", *words] if words else []), cwd=tmp_path)
    assert done.returncode == 2
    assert "usage: condetr-run" in done.stderr


def test_a_folder_that_is_none(tmp_path):
    done = run("nowhere", "a.png", cwd=tmp_path)
    assert done.returncode == 5
    assert "export.json: cannot be read" in done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        Preprocessing(size=Edges(48, 80)),
        Preprocessing(size=Edges(48, 50)),
        Preprocessing(size=Edges(None, 80)),
        Preprocessing(size=Edges(48, None)),
        Preprocessing(size=Exactly(40, 60)),
        Preprocessing(size=Within(64, 80), pad_size=Exactly(64, 80)),
        Preprocessing(do_resize=False, do_normalize=False),
    ],
    ids=range(7),
)
def test_the_inputs_are_those_of_condetr(preprocessing, settings):
    rng = np.random.default_rng(0)
    for height, width in ((40, 30), (33, 57), (48, 48), (90, 41), (7, 200), (100, 1)):
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        inputs, batch = preprocessing.prepared(image, settings.to_dict()), settings.prepare([image])
        assert inputs["pixels"].dtype == np.float32
        assert (inputs["mask"] == batch.mask.numpy()).all()
        scale = 0.224 if settings.do_normalize else 1
        assert inputs["pixels"].shape == tuple(batch.pixels.shape)
        gray_levels = np.abs(inputs["pixels"] - batch.pixels.numpy()) * 255 * scale
        assert gray_levels.max() < 1.1
