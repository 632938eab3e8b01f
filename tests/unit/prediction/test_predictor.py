import gc
import threading
import time
from pathlib import PurePath

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import ImageError, ModelError, UsageError
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, Exactly
from condetr.prediction.pipeline.image_budget import ImageBudget
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import ImageSource
from tests.tiny import LABELS, PREPROCESSING, tiny_detector


def predictor(detector, **options):
    return Predictor(detector, PREPROCESSING, LABELS, **({"threshold": 0.3, "device": "cpu"} | options))


def noise(*sizes):
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


@pytest.fixture
def images():
    return noise((60, 90), (90, 60), (60, 90), (33, 70), (60, 90), (1, 1), (90, 60), (60, 90), (60, 90))


def assert_equal(one, other):
    assert one.labels.tolist() == other.labels.tolist()
    # A convolution over more images may add in another order: a few units in the last place.
    torch.testing.assert_close(one.boxes / 90, other.boxes / 90, atol=1e-6, rtol=0)
    torch.testing.assert_close(one.scores, other.scores, atol=1e-6, rtol=0)


@pytest.mark.parametrize("batch", [2, 3, 4, 16])
def test_a_result_does_not_depend_on_the_batch(detector, images, batch):
    alone = [predictor(detector).predict([image])[0] for image in images]
    for order in (range(9), reversed(range(9))):
        order = list(order)
        together = predictor(detector, batch=batch).predict([images[i] for i in order])
        for i, result in zip(order, together, strict=True):
            assert len(result) > 0
            assert result.size == images[i].size[::-1]
            assert_equal(result, alone[i])


def test_images_of_one_preprocessed_size_share_a_batch(detector, images):
    seen = []

    def look(pixels, mask):
        seen.append((len(pixels), mask))
        return detector(pixels, mask)

    network = _Calling(look)
    Predictor(network, PREPROCESSING, LABELS, batch=4, device="cpu").predict(images)
    assert seen == [(4, None), (1, None), (2, None), (1, None), (1, None)]


def test_a_fixed_frame_is_masked_and_a_result_still_does_not_depend_on_the_batch(detector, images):
    framed = Preprocessing(size=Edges(48, 80), pad_size=Exactly(96, 96))
    masks = []

    def look(pixels, mask):
        masks.append(mask)
        return detector(pixels, mask)

    together = Predictor(_Calling(look), framed, LABELS, device="cpu", batch=5).predict(images)
    assert [len(mask) for mask in masks] == [5, 4]
    assert masks[0].flatten(1).sum(1).tolist() == [48 * 72, 72 * 48, 48 * 72, 38 * 80, 48 * 72]
    for image, other in zip(images, together, strict=True):
        (alone,) = Predictor(detector, framed, LABELS, device="cpu").predict([image])
        assert_equal(alone, other)


def test_scores_sizes_and_names_agree_with_the_network(detector):
    (image,) = noise((60, 90))
    (found,) = predictor(detector, threshold=0.0, top_k=1000).predict([image])
    with torch.inference_mode():
        logits, boxes = detector(PREPROCESSING.prepare([image]).pixels)
    best = logits[0].flatten().sigmoid().sort(descending=True)
    torch.testing.assert_close(found.scores, best.values)
    query, label = divmod(int(best.indices[0]), 3)
    cx, cy, width, height = boxes[0, query].tolist()
    expected = ((cx - width / 2) * 90, (cy - height / 2) * 60, (cx + width / 2) * 90, (cy + height / 2) * 60)
    assert found.boxes[0].tolist() == pytest.approx(expected, abs=1e-4)
    assert found.names[0] == LABELS[label]


def test_classes_are_filtered_before_top_k(detector):
    (image,) = noise((60, 90))
    (every,) = predictor(detector, threshold=0.0, top_k=60).predict([image])
    for wanted in (["dog"], [1], ["1"], ["dog", 1]):
        (dogs,) = predictor(detector, threshold=0.0, top_k=20, classes=wanted).predict([image])
        assert set(dogs.names) == {"dog"}
        assert len(dogs) == 20
        assert dogs.scores.tolist() == every.scores[every.labels == 1].tolist()


def test_failures_stand_in_their_place(detector, tmp_path):
    (image,) = noise((60, 90))
    original = [image, tmp_path / "gone.jpg", image, np.zeros((5, 5, 7), np.uint8)]
    with pytest.raises(UsageError, match=r"gone\.jpg"):
        predictor(detector).predict(original)
    for batch in (1, 4):
        good, gone, again, odd = predictor(detector, batch=batch).predict(original, on_error="collect")
        assert_equal(good, again)
        assert isinstance(gone, Failure)
        assert gone.source == str(tmp_path / "gone.jpg")
        assert isinstance(odd, Failure)
        assert odd.to_dict()["source"] == "image 3"
        assert odd.to_dict()["code"] == "image"


def test_results_before_an_error_are_returned_first(detector, tmp_path):
    stream = predictor(detector).stream([*noise((60, 90)), tmp_path / "gone.jpg"])
    assert len(next(stream)) > 0
    with pytest.raises(UsageError):
        next(stream)


def test_nan_is_an_error_of_the_model():
    broken = tiny_detector()
    with torch.no_grad():
        next(broken.head.parameters()).fill_(float("nan"))
    with pytest.raises(ModelError, match=r"image 0: logits.*not finite"):
        predictor(broken).predict(noise((60, 90)), on_error="collect")


def test_an_image_too_large_for_learned_positions_fails_alone():
    learned = tiny_detector(position_embedding_type="learned")
    wide = Preprocessing(size=Edges(48, 4000))
    results = Predictor(learned, wide, LABELS, device="cpu").predict(noise((60, 90), (10, 400)), on_error="collect")
    assert [isinstance(result, Failure) for result in results] == [False, True]
    assert "image 1" in str(results[1].error)


class _Calling(torch.nn.Module):
    def __init__(self, call):
        super().__init__()
        self.forward = call


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("cuda"), MemoryError(), RuntimeError("can't allocate memory")]
)
def test_out_of_memory_has_a_hint(error):
    def fail(pixels, mask):
        raise error

    with pytest.raises(ModelError, match=r"out of memory with 1 images of 48x72 \(lower batch"):
        Predictor(_Calling(fail), PREPROCESSING, LABELS, device="cpu").predict(noise((60, 90)), on_error="collect")


def test_a_bug_stays_a_bug():
    def fail(pixels, mask):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        Predictor(_Calling(fail), PREPROCESSING, LABELS, device="cpu").predict(noise((60, 90)), on_error="collect")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threshold": 1.5}, "threshold: is 1.5"),
        ({"threshold": float("nan")}, "threshold: is nan"),
        ({"top_k": 0}, "top_k: is 0"),
        ({"batch": 0}, "batch: is 0"),
        ({"device": "tpu9"}, "device: 'tpu9' is not the name of a device; expected auto, "),
        ({"device": "cuda:99"}, "device: 'cuda:99' is not available on this machine"),
        ({"device": "cpu:1"}, "device: 'cpu:1' is not available on this machine"),
        ({"classes": ["dgo"]}, "classes: the model has no class 'dgo' (the nearest: dog)"),
        ({"classes": ["3"]}, "it has 3 classes, ids 0 to 2"),
        ({"classes": [-1]}, "no class -1"),
        ({"classes": []}, "classes: is empty"),
    ],
)
def test_options_out_of_range(detector, options, says):
    with pytest.raises(UsageError) as caught:
        predictor(detector, **options)
    assert says in str(caught.value)


def test_an_unknown_value_of_on_error(detector):
    with pytest.raises(UsageError, match="on_error"):
        next(predictor(detector).stream([], on_error="ignore"))


def test_memory_is_bounded_and_decoding_runs_ahead(detector):
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield noise((60, 90))[0]

    stream = predictor(detector, batch=2).stream(endless())
    for _ in range(10):
        next(stream)
    assert 10 < asked <= 10 + 8 + 8 + 1, "one window in the network, one being decoded"
    stream.close()
    for _ in range(100):
        if not any(thread.name.startswith("condetr-decode") for thread in threading.enumerate()):
            break
        time.sleep(0.02)
    else:
        pytest.fail("the decoding thread goes on")


def test_a_source_that_raises_ends_the_stream(detector):
    def sources():
        yield noise((60, 90))[0]
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        predictor(detector).predict(sources(), on_error="collect")


def test_the_network_is_left_in_evaluation_mode(detector):
    detector.train()
    (found,) = predictor(detector).predict(noise((60, 90)))
    assert not detector.training
    assert not found.boxes.requires_grad


def test_half_precision_gives_float32_results():
    half = tiny_detector().bfloat16()
    (found,) = predictor(half).predict(noise((60, 90)))
    assert found.boxes.dtype == found.scores.dtype == torch.float32


def test_nothing_in_nothing_out(detector):
    assert predictor(detector).predict([]) == []


def test_an_error_that_stands_for_an_image_is_raised_by_it():
    with pytest.raises(ImageError, match="x: bad"):
        ImageSource("x", PurePath("x"), ImageError("bad", source="x")).image()


def test_decoded_images_are_kept_within_a_budget(detector, tmp_path):
    for name, image in zip("abc", noise((10, 10), (20, 20), (10, 10)), strict=True):
        image.save(tmp_path / f"{name}.png")
    assert [result.picture for result in predictor(detector).stream(tmp_path)] == [
        str(path) for path in sorted(tmp_path.iterdir())
    ]
    keeping = predictor(detector, keep_pictures=True)
    keeping._budget = ImageBudget(700)  # two of the small ones
    results = list(keeping.stream(tmp_path))
    assert [isinstance(result.picture, Image.Image) for result in results] == [True, False, True]
    assert all(result.draw().size == result.size for result in results)
    results.clear()
    gc.collect()
    assert [isinstance(result.picture, Image.Image) for result in keeping.stream(tmp_path)] == [True, False, True]
