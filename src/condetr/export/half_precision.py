"""A network for graphs in fp16: its weights are halves, and what rounding harms is computed in fp32.

Processors with fp16 arithmetic may also sum up in fp16. With such sums the bundled models miss a tolerance of 0.01
where the queries and keys of the conditional cross-attention, the stem or the stages of the backbone are computed in
fp16 (see docs/export.md). GPUs sum up in fp32, where the backbone is within it.
"""

from collections.abc import Callable
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from condetr.export.folded_norms import with_folded_norms
from condetr.model.detector import ConditionalDetr
from condetr.model.resnet import ResNet
from condetr.model.timm_backbone import TimmBackbone
from condetr.speed.convolution import FoldedConvolution


class _InHalf(nn.Module):
    """A module that computes in fp16, between inputs and outputs in fp32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.half()

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        outputs = self.module(x.half())
        return outputs.float() if isinstance(outputs, Tensor) else [output.float() for output in outputs]


class _HalfWeights(nn.Module):
    """A linear layer or a convolution that computes in fp32, with weights that are stored in fp16."""

    stored: Float[Tensor, "outputs inputs *kernel"]
    bias: Float[Tensor, "outputs"] | None

    def __init__(self, layer: nn.Linear | nn.Conv2d | FoldedConvolution) -> None:
        super().__init__()
        self.register_buffer("stored", layer.weight.detach().half())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())
        self._compute: Callable[..., Tensor] = functional.linear
        if isinstance(layer, nn.Conv2d):
            geometry = {name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")}
            self._compute = partial(functional.conv2d, **geometry)
        elif isinstance(layer, FoldedConvolution):
            self._compute = partial(functional.conv2d, **layer.geometry._asdict())

    @property
    def weight(self) -> Tensor:
        """In fp32; the mask head takes parts of it."""
        return self.stored.float()

    def forward(self, x: Tensor) -> Tensor:
        return self._compute(x, self.weight, self.bias)


def with_half_weights(network: nn.Module) -> nn.Module:
    """Change a copy of a network: all weights of linear layers and convolutions are halves, all arithmetic is in fp32.

    Not those in a backbone of timm, whose modules may use weights of each other.
    """
    _replace_layers(with_folded_norms(network), _HalfWeights)
    return network


def in_half_precision(network: nn.Module) -> nn.Module:
    """Change a copy of a network: backbone and linear layers of the encoder, most of the work, are computed in fp16.

    The stem, norms of the encoder, attention, position embeddings, reference points, decoder and heads are computed in
    fp32; their weights are halves, too. Inputs and outputs are fp32.
    """
    network = with_folded_norms(network)
    if isinstance(network, ConditionalDetr):
        backbone = network.body.backbone
        if isinstance(backbone, ResNet):
            for index, stage in enumerate(backbone.stages):
                backbone.stages[index] = _InHalf(stage)
        elif isinstance(backbone, TimmBackbone):
            backbone.network = _InHalf(backbone.network)
        for layer in network.body.encoder.layers:
            _replace_layers(layer, _InHalf)
    _replace_layers(network, _HalfWeights)
    return network


def _replace_layers(module: nn.Module, wrapper: type[_InHalf] | type[_HalfWeights]) -> None:
    """Wrap all linear layers and convolutions of torch in a module, except in what computes in fp16 already."""
    for name, child in module.named_children():
        if type(child) in (nn.Linear, nn.Conv2d, FoldedConvolution):
            setattr(module, name, wrapper(child))  # type: ignore[arg-type]
        elif not isinstance(child, _InHalf | TimmBackbone):
            _replace_layers(child, wrapper)
