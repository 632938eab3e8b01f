"""The Predictor answers by a faster copy: the same results, and the network is left alone."""

import pytest
import torch

from condetr.prediction.predictor import Predictor
from condetr.speed.fast_detector import FastSegmenter
from condetr.speed.weights_version import weights_version
from tests.tiny import LABELS, PREPROCESSING, tiny_segmenter
from tests.unit.prediction.test_predictor import noise


def found_by(detector, **options):
    predictor = Predictor(detector, PREPROCESSING, LABELS, threshold=0.0, top_k=10, device="cpu", **options)
    return predictor.predict(noise((60, 90), (90, 60), (33, 70)))


def test_fast_and_plain_detect_the_same(detector):
    before = weights_version(detector)
    for fast, plain in zip(found_by(detector), found_by(detector, fast=False), strict=True):
        assert fast.labels.tolist() == plain.labels.tolist()
        torch.testing.assert_close(fast.boxes, plain.boxes, atol=1e-3, rtol=0)  # pixels; rounding in another order
        torch.testing.assert_close(fast.scores, plain.scores, atol=1e-5, rtol=0)
    assert weights_version(detector) == before


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_fast_and_plain_segment_the_same(task):
    segmenter = tiny_segmenter()
    before = weights_version(segmenter)
    options = {"task": task, "mask_threshold": 0.5 if task == "instance" else 0.1}
    for fast, plain in zip(found_by(segmenter, **options), found_by(segmenter, fast=False, **options), strict=True):
        assert fast.labels.tolist() == plain.labels.tolist()
        assert len(fast) > 0
        covered, expected = (result.masks if task == "instance" else result.segments for result in (fast, plain))
        assert (covered != expected).float().mean() < 1e-3, "a mask may move where it is undecided"
        assert expected.float().std() > 0
    assert weights_version(segmenter) == before


def test_a_segmenter_runs_as_its_accelerated_copy():
    assert isinstance(Predictor(tiny_segmenter(), PREPROCESSING, LABELS, device="cpu")._detector, FastSegmenter)
