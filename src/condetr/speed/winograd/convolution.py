"""3x3 convolutions with a quarter of the multiplications; see `condetr.speed.winograd.tiles`."""

import torch
from jaxtyping import Float
from torch import Tensor

from condetr.core.shapes import FeatureMap
from condetr.model.detector import ConditionalDetr
from condetr.speed.convolution import Convolution, FoldedConvolution, Kernel, PerOutput
from condetr.speed.fast_detector import FastDetector, has_step, replace_modules
from condetr.speed.folding import fold_norms
from condetr.speed.winograd.tiles import Matrices, Products, TileGrid, matrices

STEP = "3x3 convolutions by Winograd F(4x4, 3x3)"
MIN_CHANNELS = 128  # with fewer, the transforms cost what the products save


@torch.no_grad()
def use_winograd(model: ConditionalDetr | FastDetector) -> FastDetector:
    if has_step(model, STEP):
        return model
    model = fold_norms(model)
    wide = [module for module in model.modules() if isinstance(module, FoldedConvolution) and _is_faster(module)]
    return replace_modules(model, STEP, {conv: WinogradConvolution(conv) for conv in wide})


def _is_faster(conv: FoldedConvolution) -> bool:
    outputs, inputs, *kernel = conv.weight.shape
    stride, padding, (down, across), groups = conv.geometry
    is_plain = stride == (1, 1) and padding == (down, across) and down == across and groups == 1
    fits = is_plain and conv.bounds is None and not conv.pads
    return fits and kernel == [3, 3] and min(inputs, outputs) >= MIN_CHANNELS


class WinogradConvolution(Convolution):
    """With transformed weights."""

    weight: Products
    bias: PerOutput
    kernel: Float[Tensor, "36 9"]
    into: Float[Tensor, "36 36"]
    back: Float[Tensor, "16 36"]

    def __init__(self, conv: FoldedConvolution) -> None:
        super().__init__()
        precise = Matrices(*(matrix.to(conv.weight.device) for matrix in matrices()))
        parts = conv.weight.split(32, dim=1)  # small ones: double precision takes memory
        self.register_buffer("weight", torch.cat([_transformed(part, precise.kernel) for part in parts], dim=1))
        self.register_buffer("bias", conv.bias)
        for name, matrix in precise._asdict().items():
            self.register_buffer(name, matrix.to(conv.weight.dtype))
        self.dilation = conv.geometry.dilation[0]

    def forward(self, x: FeatureMap) -> FeatureMap:
        transform = Matrices(self.kernel, self.into, self.back)
        return TileGrid(x, self.dilation).convolved(self.weight, transform).add_(self.bias[:, None, None])


def _transformed(weight: Kernel, kernel: Float[Tensor, "36 9"]) -> Products:
    """In double precision, so that a number is rounded once."""
    products = kernel @ weight.double().permute(2, 3, 1, 0).flatten(2).flatten(0, 1)
    return products.to(weight.dtype).unflatten(1, (-1, len(weight)))
