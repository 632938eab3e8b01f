import io

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.pipelines.pipeline import pipeline
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil
from tests.scramble import scramble
from tests.unit.hf.processing.test_image_processing import image

SMALL = {"shortest_edge": 40, "longest_edge": 64}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    resnet = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "out_features": ["stage4"]}
    config = ConditionalDetrConfig(
        backbone_config=resnet,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=6,
        id2label={0: "cat", 1: "dog", 2: "bird"},
    )
    folder = tmp_path_factory.mktemp("model")
    scramble(ConditionalDetrForObjectDetection(config)).save_pretrained(folder)
    ConditionalDetrImageProcessor(size=SMALL).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def detect(folder):
    return pipeline("object-detection", model=folder, device="cpu", threshold=0.0)


def encoded(value, **options):
    stream = io.BytesIO()
    value.save(stream, "PNG", **options)
    return stream.getvalue()


def test_an_object_has_a_score_a_name_and_a_box_of_whole_pixels(detect):
    found = detect(image(60, 80))
    assert len(found) == 6 * 3
    assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)
    assert found[0].keys() == {"score", "label", "box"}
    assert {item["label"] for item in found} <= {"cat", "dog", "bird"}
    assert all(list(item["box"]) == ["xmin", "ymin", "xmax", "ymax"] for item in found)
    assert all(type(side) is int for item in found for side in item["box"].values())
    limit = found[4]["score"]
    assert detect(image(60, 80), threshold=limit) == found[:4]


def test_a_binary_stream_is_a_image(detect, folder, tmp_path):
    image(30, 40).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open("rb") as stream:
        assert (
            detect(stream) == detect(tmp_path / "a.png") == detect([io.BytesIO((tmp_path / "a.png").read_bytes())])[0]
        )
        pixels = ConditionalDetrImageProcessor(size=SMALL)(stream, return_tensors="pt")["pixel_values"]
    assert torch.equal(
        pixels, ConditionalDetrImageProcessor(size=SMALL)(image(30, 40), return_tensors="pt")["pixel_values"]
    )


def test_one_image_gives_its_objects_a_list_a_list_anything_else_a_stream(detect, tmp_path):
    first = image(60, 80)
    first.save(tmp_path / "a.png")
    found = detect(first)
    pixels = np.asarray(first)
    forms = [tmp_path / "a.png", str(tmp_path / "a.png"), encoded(first), pixels, torch.from_numpy(pixels.copy())]
    assert [detect(form) for form in forms] == [found] * 5
    assert detect([first]) == [found]
    assert detect(images=(first, first)) == [found, found]
    assert detect([]) == []
    stream = detect(value for value in (first, first))
    assert next(stream) == found
    assert list(stream) == [found]


def test_a_result_does_not_depend_on_the_images_beside_it(detect):
    images = [image(60, 80), image(80, 60), image(60, 80), image(30, 90), image(70, 70)]
    alone = [detect(item) for item in images]
    together = detect(images, batch_size=4)
    for one, other in zip(alone, together, strict=True):
        assert [found["box"] for found in one] == [found["box"] for found in other]
        # a convolution over two images may add in another order than over one
        assert np.allclose([found["score"] for found in one], [found["score"] for found in other], atol=1e-6)


def test_boxes_are_of_the_upright_image(detect):
    first = image(60, 80)
    lying = first.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    assert detect(encoded(lying, exif=exif)) == detect(first)
    assert detect(Image.open(io.BytesIO(encoded(lying, exif=exif)))) == detect(first)


def test_is_put_together_from_parts(folder, detect):
    model = ConditionalDetrForObjectDetection.from_pretrained(folder)
    first = image(60, 80)
    parts = [
        {"model": model},  # knows where it came from
        {"model": model, "image_processor": ConditionalDetrImageProcessor(size=SMALL)},
        {"model": model, "feature_extractor": str(folder)},
        {"model": str(folder), "device": -1},
    ]
    for each in parts:
        assert pipeline(threshold=0.0, **each)(first) == detect(first)
    assert type(pipeline(model=folder, use_fast=False).image_processor) is ConditionalDetrImageProcessorPil
    half = pipeline(model=folder, dtype="bfloat16", threshold=0.0, device="cpu")
    assert half.model.dtype == torch.bfloat16
    assert len(half(first)) == 18


def test_what_it_cannot_do_is_refused(folder, detect):
    with pytest.raises(
        ValueError, match="task: is 'depth-estimation', expected object-detection or image-segmentation"
    ):
        pipeline("depth-estimation", model=folder)
    with pytest.raises(ValueError, match="model: expected a model"):
        pipeline("object-detection")
    with pytest.raises(TypeError, match="no argument 'batch'; did you mean 'batch_size'"):
        pipeline(model=folder, batch=3)
    with pytest.raises(ValueError, match="pass image_processor= as well"):
        pipeline(model=ConditionalDetrForObjectDetection(detect.model.config.from_dict({"num_queries": 3})))
    with pytest.raises(ValueError, match=r"is a URL.*download it first"):
        detect("https://example.com/a.jpg")
    with pytest.raises(ValueError, match=r"nothing\.jpg: cannot be read"):
        detect([folder / "nothing.jpg"])
    with pytest.raises(ValueError, match="batch_size of at least 1"):
        detect([], batch_size=0)
