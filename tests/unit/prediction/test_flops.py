import pytest

from condetr.model.config import DetectorConfig
from condetr.prediction.flops import flops_of


def test_flops_of_resnet50():
    assert flops_of(DetectorConfig(), (800, 1066)) == pytest.approx(170e9, rel=0.01)
