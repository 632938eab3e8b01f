"""Activation functions by the names that config files use, which are `condetr.model.config.ACTIVATIONS`."""

from collections.abc import Callable
from functools import partial

from torch import Tensor
from torch.nn import functional

Activation = Callable[[Tensor], Tensor]

FUNCTIONS: dict[str, Activation] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_new": partial(functional.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(functional.gelu, approximate="tanh"),
    "silu": functional.silu,
    "swish": functional.silu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "tanh": functional.tanh,
}


def in_place_activation(name: str) -> Activation:
    """In place if it is ReLU, for tensors that are not needed otherwise."""
    return partial(functional.relu, inplace=True) if name == "relu" else FUNCTIONS[name]
