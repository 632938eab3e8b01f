"""Scaled dot product: the fused kernel gives what the formula says, for heads of any width."""

import pytest
import torch

from condetr.model.attention import ScaledDotProduct, attention_weights


@pytest.mark.parametrize("widths", [(4, 4), (8, 8), (16, 8), (24, 12), (64, 32)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_fused_kernel_follows_the_formula(widths, masked):
    generator = torch.Generator().manual_seed(0)
    width, value_width = widths
    query, key, value = (
        torch.randn(3, 2, *shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((5, width), (7, width), (7, value_width))
    )
    mask = torch.arange(7).expand(3, 7) < torch.tensor([[7], [4], [1]]) if masked else None
    fused = ScaledDotProduct(0.0)(query, key, value, mask)
    plain = attention_weights(query, key, mask) @ value
    torch.testing.assert_close(fused, plain)
    weights = torch.randn(plain.shape, generator=generator, dtype=torch.float64)
    for ours, expected in zip(
        *(torch.autograd.grad((out * weights).sum(), (query, key, value)) for out in (fused, plain)), strict=True
    ):
        torch.testing.assert_close(ours, expected)
