"""Linear layers of the transformer with prepacked weights, by oneDNN."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.model.detector import ConditionalDetr
from condetr.speed.fast_detector import FastDetector, has_step, replace_modules
from condetr.speed.fused_feedforward import InPlaceFeedForward, activate_in_place

STEP = "oneDNN-prepacked linear layers with fused ReLU"
MIN_WEIGHTS = 1 << 16  # smaller layers are slower: the call itself costs more
_TOKENS = 300  # of a usual map, and the object queries; the layout does for other numbers


@torch.no_grad()
def pack_linears(model: ConditionalDetr | FastDetector) -> FastDetector:
    """Of encoder and decoder, on a CPU where `condetr.speed.onednn.is_available`, in single precision."""
    if has_step(model, STEP):
        return model
    model = activate_in_place(model)
    body = model.network.body
    modules = [module for part in (body.encoder, body.decoder) for module in part.modules()]
    networks = [module for module in modules if isinstance(module, InPlaceFeedForward) and _is_packed(module)]
    within = {layer for network in networks for layer in (network.expand, network.contract)}
    linears = [module for module in modules if type(module) is nn.Linear and _is_wide(module) and module not in within]
    replacements: dict[nn.Module, nn.Module] = {network: PackedFeedForward(network) for network in networks}
    return replace_modules(model, STEP, replacements | {linear: PackedLinear(linear) for linear in linears})


def _is_wide(linear: nn.Linear) -> bool:
    return linear.weight.numel() >= MIN_WEIGHTS


def _is_packed(network: InPlaceFeedForward) -> bool:
    return network.has_relu and _is_wide(network.expand)  # the other has as many weights


class PackedLinear(nn.Module):
    def __init__(self, linear: nn.Linear, activation: str = "none") -> None:
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _TOKENS)
        self.register_buffer("bias", linear.bias.detach())
        self.activation = activation

    def forward(self, x: Float[Tensor, "*axes width_in"]) -> Float[Tensor, "*axes width_out"]:
        return torch.ops.mkldnn._linear_pointwise(x, self._packed, self.bias, self.activation, [], "")

    def __deepcopy__(self, memo: dict[int, Any]) -> "PackedLinear":
        """Copies share the weights, which never change."""
        return self


class PackedFeedForward(nn.Module):
    def __init__(self, plain: InPlaceFeedForward) -> None:
        super().__init__()
        self.expand, self.contract = PackedLinear(plain.expand, "relu"), PackedLinear(plain.contract)

    def forward(self, x: Float[Tensor, "*axes channels"]) -> Float[Tensor, "*axes channels"]:
        return self.contract(self.expand(x))
