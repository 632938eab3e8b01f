"""3x3 convolutions with a quarter of the multiplications; see `condetr.speed.winograd.tiles`."""

import torch
from jaxtyping import Float
from torch import Tensor

from condetr.core.shapes import FeatureMap
from condetr.model.detector import ConditionalDetr
from condetr.speed.convolution import Convolution, FoldedConvolution, Kernel, PerOutput
from condetr.speed.fast_detector import FastDetector, exchanged, has_taken
from condetr.speed.folding import fold_norms
from condetr.speed.winograd.tiles import Matrices, Products, TileGrid, matrices

STEP = "3x3 convolutions as Winograd's products"
FEWEST_CHANNELS = 128  # with fewer, the transforms take what the products save


@torch.no_grad()
def use_winograd(model: ConditionalDetr | FastDetector) -> FastDetector:
    if has_taken(model, STEP):
        return model
    model = fold_norms(model)
    wide = [part for part in model.modules() if isinstance(part, FoldedConvolution) and _gains(part)]
    return exchanged(model, STEP, {conv: WinogradConvolution(conv) for conv in wide})


def _gains(conv: FoldedConvolution) -> bool:
    outputs, inputs, *kernel = conv.weight.shape
    return kernel == [3, 3] and conv.pace.stride == (1, 1) and min(inputs, outputs) >= FEWEST_CHANNELS


class WinogradConvolution(Convolution):
    """With weights that were transformed beforehand."""

    weight: Products
    bias: PerOutput
    kernel: Float[Tensor, "36 9"]
    into: Float[Tensor, "36 36"]
    back: Float[Tensor, "16 36"]

    def __init__(self, conv: FoldedConvolution) -> None:
        super().__init__()
        precise = Matrices(*(one.to(conv.weight.device) for one in matrices()))
        parts = conv.weight.split(32, dim=1)  # small ones: double precision takes memory
        self.register_buffer("weight", torch.cat([_transformed(part, precise.kernel) for part in parts], dim=1))
        self.register_buffer("bias", conv.bias)
        for name, one in precise._asdict().items():
            self.register_buffer(name, one.to(conv.weight.dtype))
        self.dilation = conv.pace.dilation[0]

    def forward(self, x: FeatureMap) -> FeatureMap:
        transform = Matrices(self.kernel, self.into, self.back)
        return TileGrid(x, self.dilation).convolved(self.weight, transform).add_(self.bias[:, None, None])


def _transformed(weight: Kernel, kernel: Float[Tensor, "36 9"]) -> Products:
    """In double precision, so that a number is rounded once."""
    places = kernel @ weight.double().permute(2, 3, 1, 0).flatten(2).flatten(0, 1)
    return places.to(weight.dtype).unflatten(1, (-1, len(weight)))
