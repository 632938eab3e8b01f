"""3x3 convolutions with a quarter of the multiplications: Winograd's F(4x4, 3x3) as matrix products.

Each tile of 6x6 pixels gives 4x4 outputs; between the transforms a convolution is 36 independent products over the
channels (Lavin and Gray 2016).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from condetr.core.shapes import FeatureMap
from condetr.model.detector import ConditionalDetr
from condetr.speed.convolution import Convolution, FoldedConvolution, Kernel, PerOutput
from condetr.speed.fast_detector import FastDetector, exchanged, has_taken
from condetr.speed.folding import fold_norms
from condetr.speed.toom_cook import OUT, TILE, transforms

STEP = "3x3 convolutions as Winograd's products"
FEWEST_CHANNELS = 128  # with fewer, the transforms take what the products save
_CHUNK = 8 << 20  # bytes of transformed tiles at once: they stay in the cache, and memory stays small

Framed = Float[Tensor, "batch height width inputs"]
Products = Float[Tensor, "36 inputs outputs"]


@torch.no_grad()
def multiply_less(model: ConditionalDetr | FastDetector) -> FastDetector:
    if has_taken(model, STEP):
        return model
    model = fold_norms(model)
    wide = [part for part in model.modules() if isinstance(part, FoldedConvolution) and _gains(part)]
    return exchanged(model, STEP, {conv: WinogradConvolution(conv) for conv in wide})


def _gains(conv: FoldedConvolution) -> bool:
    outputs, inputs, *kernel = conv.weight.shape
    return kernel == [3, 3] and conv.pace.stride == (1, 1) and min(inputs, outputs) >= FEWEST_CHANNELS


class WinogradConvolution(Convolution):
    """A dilated one looks at every second (third, ...) pixel, from each place where this can begin."""

    weight: Products
    bias: PerOutput
    into: Float[Tensor, "36 36"]
    back: Float[Tensor, "16 36"]

    def __init__(self, conv: FoldedConvolution) -> None:
        super().__init__()
        kernel, tile, out = (torch.kron(one, one).to(conv.weight.device) for one in transforms())
        parts = conv.weight.split(32, dim=1)  # small ones: double precision takes memory
        self.register_buffer("weight", torch.cat([_transformed(part, kernel) for part in parts], dim=1))
        self.register_buffer("bias", conv.bias)
        self.register_buffer("into", tile.to(conv.weight.dtype))
        self.register_buffer("back", out.to(conv.weight.dtype))
        self.dilation = conv.pace.dilation[0]

    def forward(self, x: FeatureMap) -> FeatureMap:
        batch, inputs, height, width = x.shape
        step, outputs = self.dilation, len(self.bias)
        down, across = (-(-side // (OUT * step)) for side in (height, width))
        margins = (step, OUT * step * across + step - width, step, OUT * step * down + step - height)
        framed = pad(x.permute(0, 2, 3, 1), (0, 0, *margins))
        result = x.new_empty(batch, down, OUT, step, across, OUT, step, outputs)
        row_of_tiles = batch * across * step * step * len(self.into) * max(inputs, outputs) * x.element_size()
        for rows in torch.arange(down).split(max(1, _CHUNK // row_of_tiles)):
            first, last = int(rows[0]), int(rows[-1]) + 1
            tiles = self._tiles(framed, first, last - first, across)
            places = (self.into @ tiles.flatten(1)).view(len(self.into), -1, inputs)
            outs = self.back @ torch.bmm(places, self.weight).flatten(1)
            shape = OUT, OUT, batch, last - first, step, across, step, outputs
            result[:, first:last].copy_(outs.view(shape).permute(2, 3, 0, 4, 5, 1, 6, 7))
        result = result.view(batch, down * OUT * step, across * OUT * step, outputs)
        return result[:, :height, :width].add_(self.bias).permute(0, 3, 1, 2)

    def _tiles(
        self, framed: Framed, first: int, rows: int, across: int
    ) -> Float[Tensor, "36 batch rows offsets across offsets inputs"]:
        """Some rows of tiles. They overlap by two pixels: a pixel is in up to four."""
        step = self.dilation
        side = step * OUT
        image, row, column, colour = framed.stride()
        size = TILE, TILE, len(framed), rows, step, across, step, framed.shape[-1]
        stride = step * row, step * column, image, side * row, row, side * column, column, colour
        return framed.as_strided(size, stride, first * side * row).flatten(0, 1)


def _transformed(weight: Kernel, kernel: Float[Tensor, "36 9"]) -> Products:
    """In double precision, so that a number is rounded once."""
    places = kernel @ weight.double().permute(2, 3, 1, 0).flatten(2).flatten(0, 1)
    return places.to(weight.dtype).unflatten(1, (-1, len(weight)))
