"""Masks by fewer multiplications: what the image shows, and what is known of an object, are convolved apart.

The mask head enlarges what it knows of an object, adds what the image shows at that size, and convolves. That is
linear: the image's share is the same for all its objects, and an enlarged map has every number four times, so that of
nine products with a 3x3 kernel four are left, with sums of its weights: a transposed convolution with stride 2.
"""

from collections.abc import Iterable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, interpolate

from condetr.core.shapes import Embeddings, FeatureMap, MaskLogits
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_fpn import Fusion, ImageFeatures, MaskPyramid, ObjectMaps, SharedMap
from condetr.model.mask_head import MaskHead, Scene
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.speed.convolution import FoldedConvolution, Kernel, Pace, PerOutput
from condetr.speed.fast_detector import FastDetector, copied, exchanged, has_taken

STEP = "masks convolved before they are enlarged"
_AT_ONCE = 1 << 21  # numbers of the largest map that is held for several objects: so few stay in the cache


@torch.no_grad()
def fuse_mask_upsampling(model: ConditionalDetr | FastDetector) -> FastDetector:
    """Of segmenters; in a detector there is nothing to exchange. Packing and Winograd's products come after it."""
    if has_taken(model, STEP):
        return model
    model = copied(model)
    network = model.network
    if not isinstance(network, ConditionalDetrSegmenter):
        return model
    return exchanged(model, STEP, {network.mask_head: FastMaskHead(network.mask_head)})


class FastMaskHead(MaskHead):
    def __init__(self, plain: MaskHead) -> None:
        nn.Module.__init__(self)
        self.attention = plain.attention
        self.pyramid = cast("MaskPyramid", SparingPyramid(plain.pyramid))

    def masks(self, scene: Scene, embeddings: Embeddings) -> MaskLogits:
        widest = max(shown.numel() for shown in (scene.clues.coarse, *scene.clues.finer))
        some = embeddings.split(max(1, _AT_ONCE // widest))
        return torch.cat([MaskHead.masks(self, scene, block) for block in some])


class SparingPyramid(nn.Module):
    """A `MaskPyramid` whose clues are what the image shows after the convolutions."""

    def __init__(self, plain: MaskPyramid) -> None:
        super().__init__()
        weight, bias = _weights_of(plain.joining.conv)
        self.joining_shown = _folded(weight[:, : plain.channels], bias)
        self.joining_known = _folded(weight[:, plain.channels :], torch.zeros_like(bias))
        self.joining_norm = plain.joining.norm
        self.narrowing, self.narrowing_norm = _folded(*_weights_of(plain.narrowing.conv)), plain.narrowing.norm
        self.fusions = nn.ModuleList(SparingFusion(cast("Fusion", fusion)) for fusion in plain.fusions)
        self.output = _folded(*_weights_of(plain.output))

    def clues(self, projected: FeatureMap, features: tuple[FeatureMap, ...]) -> ImageFeatures:
        finer = reversed(features[: len(self.fusions)])
        fusions = cast("Iterable[SparingFusion]", self.fusions)
        shown = (fusion.shown(stage) for fusion, stage in zip(fusions, finer, strict=True))
        return ImageFeatures(self.joining_shown(projected), tuple(shown))

    def forward(self, maps: Float[Tensor, "chosen heads rows columns"], clues: ImageFeatures) -> MaskLogits:
        known = self.joining_known(maps.contiguous(memory_format=torch.channels_last))
        x = self.joining_norm(known.add_(clues.coarse)).relu_()
        x = self.narrowing_norm(self.narrowing(x)).relu_()
        for fusion, shown in zip(self.fusions, clues.finer, strict=True):
            x = fusion(x, shown)
        return self.output(x)[:, 0]


class SparingFusion(nn.Module):
    kernel: Kernel
    shrunk: Float[Tensor, "inputs outputs 4 4"]

    def __init__(self, plain: Fusion) -> None:
        super().__init__()
        self.adapter = _folded(*_weights_of(plain.adapter))
        self.conv, self.norm = _folded(*_weights_of(plain.refinement.conv)), plain.refinement.norm
        self.register_buffer("kernel", self.conv.weight)
        self.register_buffer("shrunk", _for_repeated(self.conv.weight))

    def shown(self, feature: FeatureMap) -> FeatureMap:
        return self.conv(self.adapter(feature))

    def forward(self, x: ObjectMaps, shown: SharedMap) -> ObjectMaps:
        return self.norm(self._enlarged(x, *shown.shape[2:]).add_(shown)).relu_()

    def _enlarged(self, x: ObjectMaps, rows: int, columns: int) -> ObjectMaps:
        """The nearest neighbors of that size, convolved without bias."""
        down, across = 2 * x.shape[2] - rows, 2 * x.shape[3] - columns
        if not {down, across} <= {0, 1}:
            return self._convolved(x, rows, columns)
        y = conv_transpose2d(x, self.shrunk, stride=2, padding=1)[..., :rows, :columns]
        if down:  # beyond the last row there is nothing, not that row once more
            y[..., -1:, :] = self._convolved(x[..., -2:, :], min(2, x.shape[2]), columns)[..., -1:, :]
        if across:
            y[..., -1:] = self._convolved(x[..., -2:], rows, min(2, x.shape[3]))[..., -1:]
        return y

    def _convolved(self, x: ObjectMaps, rows: int, columns: int) -> ObjectMaps:
        return conv2d(interpolate(x, size=(rows, columns), mode="nearest"), self.kernel, padding=1)


def _weights_of(conv: nn.Conv2d) -> tuple[Kernel, PerOutput]:
    assert conv.bias is not None
    return conv.weight, conv.bias


def _folded(weight: Kernel, bias: PerOutput) -> FoldedConvolution:
    around = weight.shape[-1] // 2
    return FoldedConvolution(weight.detach(), bias.detach(), Pace((1, 1), (around, around), (1, 1)))


def _for_repeated(weight: Kernel) -> Float[Tensor, "inputs outputs 4 4"]:
    """Added up in double precision, so that a sum is rounded once."""
    sums = weight.double()
    for axis in (2, 3):
        before, here, after = sums.unbind(axis)
        sums = torch.stack((after, here + after, before + here, before), axis)
    return sums.to(weight.dtype).transpose(0, 1).contiguous(memory_format=torch.channels_last)
