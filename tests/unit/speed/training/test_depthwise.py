import pytest
import torch

from condetr.speed.convolution import ConvGeometry
from condetr.speed.training.depthwise import gradient_of_weight, is_depthwise


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("side", "stride", "dilation"), [(3, 1, 1), (5, 1, 1), (7, 1, 1), (4, 1, 1), (5, 2, 1), (5, 1, 2), (9, 1, 1)]
)
def test_like_autograd(side, stride, dilation, layout):
    x = torch.randn(2, 6, 23, 31, dtype=torch.double).contiguous(memory_format=layout)
    weight = torch.randn(6, 1, side, side, dtype=torch.double, requires_grad=True)
    padding = dilation * (side - 1) // 2
    geometry = ConvGeometry((stride, stride), (padding, padding), (dilation, dilation), 6)
    assert is_depthwise(x, geometry)
    output = torch.conv2d(x, weight, None, *geometry)
    gradient = torch.randn_like(output)
    (wanted,) = torch.autograd.grad(output, weight, gradient)
    torch.testing.assert_close(gradient_of_weight(gradient, x, weight, geometry), wanted)


def test_others_are_not_depthwise():
    assert not is_depthwise(torch.zeros(1, 6, 4, 4), ConvGeometry((1, 1), (0, 0), (1, 1), 3))
    assert not is_depthwise(torch.zeros(1, 1, 4, 4), ConvGeometry((1, 1), (0, 0), (1, 1)))
