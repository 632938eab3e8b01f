import pytest

from condetr.model.config import DetectorConfig
from condetr.prediction.flops import flops_of


def test_resnet50_costs_what_was_measured_for_it():
    assert flops_of(DetectorConfig(), (800, 1066)) == pytest.approx(170e9, rel=0.01)
