import json

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import ImageError, UsageError
from condetr.explain.attention_weights import weights_of
from condetr.explain.capture import capture
from condetr.explain.run import detection_number, explain_image
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, Exactly
from condetr.prediction.predictor import Predictor
from tests.tiny import LABELS, PREPROCESSING, tiny_detector, tiny_segmenter


@pytest.fixture(scope="module")
def network():
    return tiny_detector()


def noise(height, width):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def seen(network, image=None, preprocessing=PREPROCESSING, **options):
    options = {"threshold": 0.3} | options
    return explain_image(network, preprocessing, LABELS, image or noise(60, 90), **options)


FRAMED = Preprocessing(size=Edges(48, 80), pad_size=Exactly(96, 120))


@pytest.mark.parametrize("preprocessing", [PREPROCESSING, FRAMED], ids=["plain", "framed"])
@pytest.mark.parametrize("size", [(60, 90), (90, 60), (1, 1), (7, 300)])
def test_every_map_sums_to_one_over_the_image(network, size, preprocessing):
    explained = seen(network, noise(*size), preprocessing, threshold=0.0)
    rows, columns = (-(-side // network.body.backbone.stride) for side in preprocessing.fit(size))
    for number in (0, len(explained) - 1):
        first = explained.explain(number)
        assert first.content.shape == first.spatial.shape == first.combined.shape == (2, 4, rows, columns)
        assert first.encoder.shape == (1, 4, rows, columns)
        for maps in (first.content, first.spatial, first.combined, first.encoder):
            np.testing.assert_allclose(maps.sum((2, 3)), 1, atol=1e-5)
            assert (maps >= 0).all()


@pytest.mark.parametrize("classes", [None, ["dog", "bird"]])
@pytest.mark.parametrize("preprocessing", [PREPROCESSING, FRAMED], ids=["plain", "framed"])
def test_the_detections_are_those_of_predict(network, preprocessing, classes):
    options = {"threshold": 0.3, "classes": classes, "top_k": 9}
    (found,) = Predictor(network, preprocessing, LABELS, device="cpu", **options).predict(noise(60, 90))
    explained = seen(network, None, preprocessing, **options)
    assert 0 < len(found) == len(explained)
    assert explained.detections.labels.tolist() == found.labels.tolist()
    assert explained.detections.names == found.names
    torch.testing.assert_close(explained.detections.boxes, found.boxes)
    torch.testing.assert_close(explained.detections.scores, found.scores)
    for number, result in enumerate(explained):
        assert result.detection == explained.detections[number]
        np.testing.assert_allclose(result.boxes[-1], result.detection.box, atol=1e-4)
        assert result.scores[-1] == pytest.approx(result.detection.score)


def test_query_and_reference_point_are_those_of_the_box(network):
    image = noise(60, 90)
    explained = seen(network, image)
    with torch.inference_mode():
        trace = network.trace(PREPROCESSING.prepare([image]).pixels)
        boxes = network.head(trace.embeddings[-1], trace.reference_logits).boxes[0]
    for item in explained:
        cx, cy, _, _ = (boxes[item.query] * torch.tensor([90, 60, 90, 60])).tolist()
        x1, y1, x2, y2 = item.detection.box
        assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((cx, cy), abs=1e-3)
        point = trace.reference_logits[0, item.query].sigmoid() * torch.tensor([90, 60])
        assert item.reference_point == pytest.approx(point.tolist(), abs=1e-4)


def test_a_map_lies_on_the_image_where_its_cells_do(network):
    first = seen(network, noise(60, 90)).explain(0)
    height, width = first.cell
    # 60x90 becomes 48x72: a cell of 8 pixels stands for 10 of the original
    assert network.body.backbone.stride == 8
    assert (height, width) == pytest.approx((10, 10))


def test_the_encoder_is_asked_about_the_cell_of_the_pixel(network):
    sights = [seen(network, pixel=pixel).explain(0) for pixel in ((0, 0), (9.9, 9.9), (10, 0), (89.9, 59.9))]
    first, same, next_one, last = (sight.encoder for sight in sights)
    assert np.array_equal(first, same)
    assert not np.allclose(first, next_one)
    assert not np.allclose(first, last)
    single = seen(network).explain(0)
    x1, y1, x2, y2 = (
        min(max(edge, 0), side) for edge, side in zip(single.detection.box, (90, 60, 90, 60), strict=True)
    )
    assert single.pixel == pytest.approx(((x1 + x2) / 2, (y1 + y2) / 2), abs=1e-3)


@torch.inference_mode()
def test_cells_are_counted_row_by_row_of_the_padded_frame(network):
    image = noise(60, 90)
    first = seen(network, image, FRAMED, pixel=(45, 25)).explain(0)
    batch = FRAMED.prepare([image])
    with capture([network.body.encoder.layers[0].self_attention.attend]) as inputs:
        network(batch.pixels, batch.mask)
    weights = weights_of(inputs[0], 2 * 15 + 4).unflatten(-1, (12, 15))  # row 2, column 4 of 12 rows, 15 columns
    np.testing.assert_allclose(first.encoder[0], weights[:, :6, :9].numpy(), atol=1e-6)


def test_a_segmenter_is_explained_as_the_detector_that_it_is():
    segmenter = tiny_segmenter()
    (found,) = Predictor(segmenter, PREPROCESSING, LABELS, device="cpu", threshold=0.3).predict(noise(60, 90))
    first = seen(segmenter).explain(0)
    assert first.detection.name == found[0].name
    assert first.detection.box == pytest.approx(found[0].box, abs=1e-3)
    np.testing.assert_allclose(first.combined.sum((2, 3)), 1, atol=1e-5)


def test_half_precision_explains_too():
    first = seen(tiny_detector().bfloat16()).explain(0)
    np.testing.assert_allclose(first.combined.sum((2, 3)), 1, atol=1e-5)


def test_what_cannot_be_explained_is_reported(network, tmp_path):
    with pytest.raises(
        UsageError, match=r"nothing scores above 1, .*; the best score is 0\.\d+ \(lower the threshold\)"
    ):
        seen(network, threshold=1)
    count = len(seen(network))
    with pytest.raises(UsageError, match=rf"detection: is {count}, but the detections .* are 0 to {count - 1}"):
        seen(network).explain(count)
    with pytest.raises(UsageError, match="pixel: is 90,0, outside the image, which is 90 wide and 60 high"):
        seen(network, pixel=(90, 0))
    with pytest.raises(UsageError, match="one image at a time"):
        explain_image(network, PREPROCESSING, LABELS, [noise(5, 5), noise(5, 5)])
    with pytest.raises(UsageError, match=r"gone\.png: cannot be read"):
        explain_image(network, PREPROCESSING, LABELS, tmp_path / "gone.png")
    (tmp_path / "bad.png").write_bytes(b"<html>")
    with pytest.raises(ImageError, match=r"bad\.png: unsupported"):
        explain_image(network, PREPROCESSING, LABELS, tmp_path / "bad.png")
    with pytest.raises(UsageError, match="threshold: is 2"):
        seen(network, threshold=2)


def test_which_detection():
    assert [detection_number(item) for item in (3, "3", "best", "all")] == [3, 3, 0, None]
    for wrong in (-1, "worst", True, "-1"):
        with pytest.raises(UsageError, match="expected a number from 0, best or all"):
            detection_number(wrong)


def test_arrays_and_json_say_the_same(network, tmp_path):
    first = seen(network).explain(1)
    with np.load(first.save(tmp_path / "one.npz")) as arrays:
        assert set(arrays) == {
            "content", "spatial", "combined", "encoder", "boxes", "scores", "box", "reference_point", "pixel", "cell",
            "size",
        }  # fmt: skip
        assert np.array_equal(arrays["combined"], first.combined)
        assert tuple(arrays["box"]) == first.detection.box
    record = json.loads(first.save(tmp_path / "one.json").read_text())
    np.testing.assert_allclose(np.array(record["spatial"]), first.spatial, rtol=1e-5)
    assert (record["detection"], record["query"], record["name"]) == (1, first.query, first.detection.name)
    assert [len(layer["heads"]) for layer in record["layers"]] == [4, 4]
    short = first.to_dict(maps=False)
    assert short == {name: record[name] for name in short}
    assert "content" not in short


def opened(path):
    with Image.open(path) as image:
        image.load()
    return image


def test_figures_are_saved_by_their_ending(network, tmp_path):
    explained = seen(network)
    first = explained.explain(0)
    names = ("bands", "layers", "encoder")
    assert len({opened(first.save(tmp_path / f"{name}.png", figure=name)).size for name in names}) == 3
    assert opened(first.save(tmp_path / "one.jpg")).format == "JPEG"
    assert opened(explained.save(tmp_path / "all.png")).format == "PNG"
    assert len(json.loads(explained.save(tmp_path / "all.json").read_text())) == len(explained)
    with pytest.raises(UsageError, match=r"unknown extension '\.gif'"):
        first.save(tmp_path / "one.gif")
    with pytest.raises(UsageError, match="figure: is 'heads', expected one of bands, layers, encoder"):
        first.save(tmp_path / "one.png", figure="heads")
