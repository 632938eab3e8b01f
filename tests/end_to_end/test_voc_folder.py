"""Labeled images that nobody here has seen, as people have them: three commands, nothing edited."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.unit.cli.commands.test_train import SMALL

KINDS = ["Sacré-Cœur & <tower>", "stop sign/old"]  # XML escapes the first; the second looks like a path
ESCAPED = [KINDS[0].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), KINDS[1]]
COUNT = 12


@pytest.fixture
def voc(tmp_path):
    """Names with spaces, sides that differ, some images empty, some objects difficult; no ImageSets."""
    random = np.random.default_rng(0)
    for number in range(COUNT):
        width, height = int(random.integers(60, 90)), int(random.integers(60, 90))
        image = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
        objects = ""
        for kind in range(2 if number % 4 else 0):
            x, y = 5 + 25 * kind, 8
            image[y : y + 30, x : x + 20] = (230, 40, 40) if kind else (40, 40, 230)
            objects += (
                f"<object><name>{ESCAPED[kind]}</name><pose>Unspecified</pose><truncated>0</truncated>"
                f"<difficult>{int(number % 3 == 0)}</difficult><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
                f"<xmax>{x + 20}</xmax><ymax>{y + 30}</ymax></bndbox></object>"
            )
        name = f"holiday photo ({number})"
        for folder in ("JPEGImages", "Annotations"):
            (tmp_path / "my images" / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"my images/JPEGImages/{name}.jpg")
        (tmp_path / f"my images/Annotations/{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><size><width>{width}</width><height>{height}</height>"
            f"<depth>3</depth></size>{objects}</annotation>"
        )
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


def test_three_commands_and_no_edits(command, voc):
    trained = command("train", "my images", "--config", "small.yaml", "--output", "run", "--json", cwd=voc)
    assert trained.returncode == 0, trained.stderr
    record = json.loads(trained.stdout)
    assert record["model"] == "run/best"
    assert "ap50" in record["metrics"]
    assert "there is no val split to evaluate on: 1 of the 12 images of all are held out" in trained.stderr

    measured = command("evaluate", "my images", "--model", "run", "--output", "report", "--json", cwd=voc)
    assert measured.returncode == 0, measured.stderr
    assert "measured on all, which the model may have learned from" in measured.stderr
    assert set(json.loads(measured.stdout)["per_class"]) == set(KINDS)

    words = ("my images/JPEGImages", "--model", "run", "--threshold", "0", "--save", "json,images", "--output", "out")
    predicted = command("predict", *words, cwd=voc)
    assert predicted.returncode == 0, predicted.stderr
    assert len(list((voc / "out/images").iterdir())) == COUNT
    found = json.loads((voc / "out/json/holiday photo (1).json").read_text())
    assert {detection["name"] for detection in found["detections"]} <= set(KINDS)
