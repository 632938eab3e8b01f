from dataclasses import replace
from functools import partial

import pytest
import torch

from condetr.core.errors import UsageError
from condetr.data.records import Dataset, Object
from condetr.evaluation.arrays import ground_truth_of
from condetr.evaluation.evaluate import evaluate_detector
from condetr.evaluation.layers import layer_results, layered
from condetr.evaluation.measure import measure
from condetr.prediction.predictor import Failure, Predictor
from condetr.speed.accelerate import accelerate
from tests.tiny import LABELS, PREPROCESSING, tiny_detector, tiny_segmenter
from tests.unit.evaluation.scored import distorted, perfect


@pytest.fixture
def pets(scenes):
    """Eight scenes with classes of the tiny detector; one image cannot be read."""
    classes = type(scenes.classes)(tuple(LABELS.values()), (0, 1, 2))
    examples = []
    for example in scenes[:8]:
        objects = tuple(Object(each.label % 3, each.box, each.area) for each in example.objects)
        examples.append(type(example)(example.path, example.size, example.image_id, objects))
    examples[3] = type(examples[3])(examples[3].path.with_name("gone.jpg"), (96, 96), "gone", examples[3].objects)
    return Dataset(tuple(examples), classes, scenes.root, "val")


def as_last(network, layer):
    """The network without the decoder layers after this one."""
    network.body.decoder.layers = network.body.decoder.layers[: layer + 1]
    return network


def labeled_by(network, dataset):
    """The images with the network's best detections as objects."""
    predictor, examples = Predictor(network, PREPROCESSING, LABELS, threshold=0, top_k=4, device="cpu"), []
    for example in dataset:
        [found] = predictor.predict([example.path], on_error="collect")
        objects = example.objects
        if not isinstance(found, Failure):
            objects = tuple(Object(each.label, each.box, 400.0) for each in found)
        examples.append(replace(example, objects=objects))
    return replace(dataset, examples=tuple(examples))


@pytest.mark.parametrize("make", [tiny_detector, tiny_segmenter])
def test_each_layer_is_a_detector_that_ends_there(pets, make):
    """The labels are what the first of three layers detects, so that no two layers have the same AP."""
    pets = labeled_by(as_last(make(decoder_layers=3), 0), pets)
    evaluate = partial(evaluate_detector, dataset=pets, preprocessing=PREPROCESSING, labels=LABELS, metrics=["layers"])
    report = evaluate(make(decoder_layers=3))
    assert len(report.layers) == 3
    assert (report.layers[-1].ap, report.layers[-1].ap50) == (report.ap, report.ap50)
    assert report.layers[0].ap50 > max(layer.ap50 for layer in report.layers[1:])
    for layer, result in enumerate(report.layers):
        alone = evaluate(as_last(make(decoder_layers=3), layer), metrics=["ap"])
        assert (result.ap, result.ap50, result.ap75) == pytest.approx((alone.ap, alone.ap50, alone.ap75), abs=1e-6)
    assert report.to_dict()["layers"][0].keys() == {"ap", "ap50", "ap75"}


def test_the_accelerated_copy_has_the_predictions_of_all_layers():
    network = tiny_detector(decoder_layers=3)
    pixels = torch.rand(2, 3, 48, 64)
    fast = accelerate(network, torch.device("cpu")).predict_layers(pixels)
    with torch.no_grad():
        plain = network.predict_layers(pixels)
    assert len(fast) == len(plain) == 3
    for one, other in zip(fast, plain, strict=True):
        torch.testing.assert_close(one.logits, other.logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one.boxes, other.boxes, atol=1e-4, rtol=1e-4)


def test_layers_are_measured_like_anything_else(scenes):
    rough, exact = distorted(scenes), perfect(scenes)
    found = list(zip(rough, exact, strict=True))
    first, last = layer_results(ground_truth_of(scenes), found, images=len(scenes), classes=10)
    assert (last.ap, last.ap50) == (1, 1)
    assert first.ap == measure(scenes, rough, metrics=["ap"]).ap


def test_who_has_no_layers_says_so(pets):
    with pytest.raises(UsageError, match="layers needs the decoder layers of a network"):
        layered(torch.nn.Identity())
    with pytest.raises(UsageError, match="are of whole images"):
        evaluate_detector(tiny_detector(), pets, PREPROCESSING, LABELS, metrics=["layers"], tile=64)
    assert evaluate_detector(tiny_detector(), pets, PREPROCESSING, LABELS).layers is None
