"""The main job: images in, boxes out, as transformers' pipeline gives them for the same files."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.lively import enliven

CLOSE = 0.05  # pixels: two ways through the same float32 arithmetic
TOP_K = 100  # of both
SURE = 0.01  # of a score; the head of the lively weights magnifies the last digits, on some processors to 0.001


def noise(folder, count, size=(96, 128)):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC).save(folder / f"{number:04d}.png")
    return folder


def lines_of(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def assert_as_the_pipeline(results, folder, threshold):
    """Every box is one of the pipeline's, each of which is taken once; it drops the digits after the point.

    Those at the threshold may be on one side only.
    """
    import transformers

    pipe = transformers.pipeline("object-detection", model=str(folder), device="cpu")
    for result in results:
        with Image.open(result["source"]) as image:
            theirs, size = pipe(image.convert("RGB"), threshold=threshold), image.size
        least = max(threshold, theirs[-1]["score"]) if len(theirs) == TOP_K else threshold
        assert len(result["detections"]) > 0, result["source"]
        for mine in result["detections"]:
            alike = [row for row in theirs if row["label"] == mine["name"] and abs(row["score"] - mine["score"]) < SURE]
            same = [item for item in alike if _same(mine["box"], item["box"], size)]
            assert same or abs(mine["score"] - least) < SURE, (mine, alike)
            if same:
                theirs.remove(same[0])
        assert not [row for row in theirs if row["score"] - least > SURE], result["source"]


def _same(box, whole, size):
    """The pipeline's reach beyond the image."""
    whole = {name: min(max(edge, 0), size[name[0] == "y"]) for name, edge in whole.items()}
    corners = (whole["xmin"], whole["ymin"], whole["xmax"], whole["ymax"])
    return all(math.trunc(x - CLOSE) <= n <= math.trunc(x + CLOSE) for x, n in zip(box, corners, strict=True))


def test_a_tiny_model_finds_what_the_pipeline_finds(command, tiny, tmp_path):
    photos = noise(tmp_path / "photos", 2)
    noise(tmp_path / "more", 1, (90, 60))
    run = command("predict", photos, tmp_path / "more", "--model", tiny, "--threshold", "0.6", "--batch", "4", "--json")
    assert run.returncode == 0, run.stderr
    assert_as_the_pipeline(json.loads(run.stdout)["results"], tiny, 0.6)


@pytest.fixture(scope="session")
def coco_images(shared):
    return sorted(path for path in (shared / "data/coco-sample").iterdir() if path.suffix in (".jpg", ".png"))


@pytest.fixture(scope="module")
def resnet50(coco_images, tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    names = {number: f"class {number}" for number in range(91)}
    config = transformers.ConditionalDetrConfig(
        backbone="resnet50", use_timm_backbone=True, id2label=names, label2id={name: n for n, name in names.items()}
    )
    model, processor = (
        transformers.ConditionalDetrForObjectDetection(config),
        transformers.ConditionalDetrImageProcessor(size={"shortest_edge": 400, "longest_edge": 666}),
    )
    images = []
    for path in coco_images:
        with Image.open(path) as image:
            images.append(processor(image.convert("RGB"), return_tensors="pt")["pixel_values"])
    folder = tmp_path_factory.mktemp("resnet50")
    enliven(model, images).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_resnet50_on_real_images_finds_what_the_pipeline_finds(command, resnet50, coco_images, tmp_path):
    assert len(coco_images) == 3
    formats = "images,json,jsonl,coco,yolo,csv"
    words = ("--model", resnet50, "--threshold", "0.5", "--output", tmp_path / "out", "--save", formats)
    run = command("predict", *coco_images, *words)
    assert run.returncode == 0, run.stderr
    assert "3 ok, 0 failed" in run.stdout
    results = lines_of(tmp_path / "out/predictions.jsonl")
    found = [detection for result in results for detection in result["detections"]]
    assert len(found) > 100
    assert len({item["name"] for item in found}) > 10
    assert_as_the_pipeline(results, resnet50, 0.5)
    for image in coco_images:
        with Image.open(image) as original, Image.open(tmp_path / f"out/images/{image.stem}.jpg") as painted:
            assert painted.size == original.size
            assert np.abs(np.asarray(painted, int) - np.asarray(original.convert("RGB"), int)).mean() > 1
