"""Feed-forward networks that activate in place: their hidden tokens are the widest tensors of the transformer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.model.activation import overwriting
from condetr.model.detector import ConditionalDetr
from condetr.model.feedforward import FeedForward
from condetr.speed.fast_detector import FastDetector, copied, exchanged, has_taken

STEP = "feed-forward networks activate in place"


@torch.no_grad()
def activate_in_place(model: ConditionalDetr | FastDetector) -> FastDetector:
    if has_taken(model, STEP):
        return model
    model = copied(model)
    activation = model.network.config.activation_function
    every = [part for part in model.modules() if isinstance(part, FeedForward)]
    return exchanged(model, STEP, {part: InPlaceFeedForward(part, activation) for part in every})


class InPlaceFeedForward(nn.Module):
    def __init__(self, plain: FeedForward, activation: str) -> None:
        super().__init__()
        self.expand, self.contract = plain.expand, plain.contract
        self.activation = overwriting(activation)

    def forward(self, x: Float[Tensor, "*axes channels"]) -> Float[Tensor, "*axes channels"]:
        return self.contract(self.activation(self.expand(x)))
