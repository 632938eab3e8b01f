"""Feed-forward networks that activate in place: their hidden tokens are the widest tensors of the transformer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.model.activation import in_place_activation
from condetr.model.detector import ConditionalDetr
from condetr.model.feedforward import FeedForward
from condetr.speed.fast_detector import FastDetector, fast_copy, has_step, replace_modules

STEP = "feed-forward activations in place"


@torch.no_grad()
def activate_in_place(model: ConditionalDetr | FastDetector) -> FastDetector:
    if has_step(model, STEP):
        return model
    model = fast_copy(model)
    activation = model.network.config.activation_function
    plain = [module for module in model.modules() if isinstance(module, FeedForward)]
    return replace_modules(model, STEP, {module: InPlaceFeedForward(module, activation) for module in plain})


class InPlaceFeedForward(nn.Module):
    def __init__(self, plain: FeedForward, activation: str) -> None:
        super().__init__()
        self.expand, self.contract = plain.expand, plain.contract
        self.activation, self.has_relu = in_place_activation(activation), activation == "relu"

    def forward(self, x: Float[Tensor, "*axes channels"]) -> Float[Tensor, "*axes channels"]:
        return self.contract(self.activation(self.expand(x)))
