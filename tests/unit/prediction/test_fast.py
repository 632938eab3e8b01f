"""The Predictor answers by a faster copy: the same results, and the network is left alone."""

import torch

from condetr.prediction.predictor import Predictor
from condetr.speed.freshness import moment_of
from tests.tiny import LABELS, PREPROCESSING
from tests.unit.prediction.test_predictor import noise


def found_by(detector, **options):
    predictor = Predictor(detector, PREPROCESSING, LABELS, threshold=0.0, top_k=10, device="cpu", **options)
    return predictor.predict(noise((60, 90), (90, 60), (33, 70)))


def test_fast_and_plain_find_the_same(detector):
    before = moment_of(detector)
    for fast, plain in zip(found_by(detector), found_by(detector, fast=False), strict=True):
        assert fast.labels.tolist() == plain.labels.tolist()
        torch.testing.assert_close(fast.boxes, plain.boxes, atol=1e-3, rtol=0)  # pixels; rounding in another order
        torch.testing.assert_close(fast.scores, plain.scores, atol=1e-5, rtol=0)
    assert moment_of(detector) == before
