import threading

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, Exactly, Within
from condetr.prediction.pipeline.threads import divided_threads, largest_input, network_threads_for
from condetr.prediction.predictor import Failure, Predictor
from condetr.speed.accelerate import accelerate
from tests.tiny import LABELS, PREPROCESSING, tiny_segmenter

CPU = torch.device("cpu")


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def images(count):
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (*rng.integers(20, 90, 2), 3), dtype=np.uint8)) for _ in range(count)]


@pytest.mark.usefixtures("three_threads")
def test_several_threads_predict_what_one_does(detector):
    names = set()

    class Watched(Predictor):
        def predict_batch(self, prepared):
            names.add(threading.current_thread().name.split("_")[0])
            assert torch.get_num_threads() == 1
            return super().predict_batch(prepared)

    given = [*images(40), "missing.png", *images(3)]
    options = {"threshold": 0.3, "device": "cpu"}
    results = Watched(detector, PREPROCESSING, LABELS, **options).predict(given, on_error="collect")
    assert names == {"condetr-network"}
    assert torch.get_num_threads() == 3
    one = Predictor(detector, PREPROCESSING, LABELS, decode_workers=1, **options).predict(given, on_error="collect")
    assert isinstance(results[40], Failure)
    assert isinstance(one[40], Failure)
    assert sum(len(result) for result in results if not isinstance(result, Failure)) > 100
    for result, other in zip(results, one, strict=True):
        if not isinstance(result, Failure):
            assert result.labels.tolist() == other.labels.tolist()
            torch.testing.assert_close(result.boxes, other.boxes, atol=1e-4, rtol=0)
            torch.testing.assert_close(result.scores, other.scores, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("three_threads")
def test_one_image_gets_all_threads(detector):
    seen = []

    class Watched(Predictor):
        def predict_batch(self, prepared):
            seen.append((threading.current_thread(), torch.get_num_threads()))
            return super().predict_batch(prepared)

    Watched(detector, PREPROCESSING, LABELS, device="cpu").predict(images(1))
    assert seen == [(threading.current_thread(), 3)]


@pytest.mark.usefixtures("three_threads")
def test_where_several_images_are_predicted_at_once(detector):
    fast, large = accelerate(detector, CPU), Preprocessing(size=Edges(800, 1333))
    assert network_threads_for(fast, CPU, "detect", PREPROCESSING) == 3
    assert network_threads_for(fast, CPU, "detect", large) == 1
    assert network_threads_for(fast, torch.device("cuda"), "detect", PREPROCESSING) == 1
    assert network_threads_for(detector, CPU, "detect", PREPROCESSING) == 1, "of unknown code"
    assert network_threads_for(accelerate(tiny_segmenter(), CPU), CPU, "instance", PREPROCESSING) == 1
    for options in ({"batch": 2}, {"decode_workers": 2}):
        assert Predictor(detector, PREPROCESSING, LABELS, device="cpu", **options)._network_threads == 1


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"size": Edges(30, 50)}, 1500),
        ({"size": Edges(50, 30)}, 900),
        ({"size": Edges(None, 50)}, 2500),
        ({"size": Edges(30, None)}, None),
        ({"size": Exactly(30, 50)}, 1500),
        ({"size": Within(30, 50)}, 1500),
        ({"size": Exactly(30, 50), "pad_size": Exactly(70, 80)}, 5600),
        ({"size": Exactly(30, 50), "pad_size": Exactly(70, 80), "do_pad": False}, 1500),
        ({"do_resize": False}, None),
    ],
)
def test_the_largest_input(options, most):
    assert largest_input(Preprocessing(**options)) == most


def test_threads_of_torch_come_back_after_an_error():
    before = torch.get_num_threads()

    def fail():
        with divided_threads(2) as begin:
            begin()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_num_threads() == before
