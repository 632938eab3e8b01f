import math

import pytest
import torch

from condetr.training.optimization.ema import WARM_UP, WeightAverage
from tests.unit.training.networks import tiny_detector


def test_it_is_the_moving_average_of_the_weights():
    network = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, decay=0.9)
    expected = network.weight.item()
    for step in range(1, 30):
        with torch.no_grad():
            network.weight.fill_(float(step))
        average.update(network)
        decay = 0.9 * (1 - math.exp(-step / WARM_UP))
        expected = decay * expected + (1 - decay) * step
    assert average.network.weight.item() == pytest.approx(expected, rel=1e-6)


def test_it_keeps_fp32_and_leaves_the_network_alone():
    network = tiny_detector().bfloat16()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    average = WeightAverage(network, decay=0.999)
    average.update(network)
    assert {tensor.dtype for tensor in average.network.state_dict().values()} == {torch.float32}
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
