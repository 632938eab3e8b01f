"""Small feed-forward networks shared by the encoder, the decoder and the heads."""

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from condetr.model.activation import FUNCTIONS


def projection(inputs: int, outputs: int, *, stacked: int = 1) -> nn.Linear:
    """A linear layer with Xavier weights, as the authors initialize everything inside the transformer.

    ``stacked`` layers share one matrix in the authors' encoder, which narrows their distribution.
    """
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight, gain=((inputs + outputs) / (inputs + stacked * outputs)) ** 0.5)
    return linear


class FeedForward(nn.Module):
    def __init__(self, channels: int, hidden: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.expand = projection(channels, hidden)
        self.activation = FUNCTIONS[activation]
        self.dropout = nn.Dropout(dropout)
        self.contract = projection(hidden, channels)

    def forward(self, x: Float[Tensor, "*axes channels"]) -> Float[Tensor, "*axes channels"]:
        return self.contract(self.dropout(self.activation(self.expand(x))))


class Perceptron(nn.Module):
    """Linear layers with ReLU between them: ``Perceptron(256, 256, 4)`` has two."""

    def __init__(self, *widths: int, linear: Callable[[int, int], nn.Linear] = projection) -> None:
        super().__init__()
        self.layers = nn.ModuleList(linear(a, b) for a, b in pairwise(widths))

    @property
    def last(self) -> nn.Linear:
        return cast("nn.Linear", self.layers[-1])

    def forward(self, x: Float[Tensor, "*axes width_in"]) -> Float[Tensor, "*axes width_out"]:
        *hidden, last = self.layers
        for layer in hidden:
            x = relu(layer(x))
        return last(x)


class LayerDrop(nn.Module):
    """Whether to skip a layer: with this probability in training, never in evaluation (Fan et al. 2020)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = self.chance = probability

    def train(self, mode: bool = True) -> "LayerDrop":  # noqa: FBT001, FBT002  torch's signature
        self.chance = self.probability if mode else 0.0
        return super().train(mode)

    def forward(self) -> bool:
        return self.chance > 0 and float(torch.rand(())) < self.chance
