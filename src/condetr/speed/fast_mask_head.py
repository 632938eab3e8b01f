"""Masks by fewer multiplications: image and object features are convolved apart, the latter before upsampling.

Each stage of the mask head upsamples the map of an object, adds the image feature of that size, and convolves. That is
linear: the image's share is the same for all its objects, and an upsampled map repeats every number four times, so that
of nine products with a 3x3 kernel four are left, with sums of its weights: a transposed convolution with stride 2.
"""

from collections.abc import Iterable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, interpolate

from condetr.core.shapes import FeatureMap, MaskLogits
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_fpn import FpnStage, ImageFeatures, MaskPyramid, ObjectMaps, SharedMap
from condetr.model.mask_head import MaskHead
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.speed.convolution import ConvGeometry, FoldedConvolution, Kernel, PerOutput
from condetr.speed.fast_detector import FastDetector, fast_copy, has_step, replace_modules

STEP = "mask upsampling fused with convolution"
BLOCK_SIZE = 1 << 21  # elements of the largest map held for several objects at once: so few stay in the CPU cache


@torch.no_grad()
def fuse_mask_upsampling(model: ConditionalDetr | FastDetector) -> FastDetector:
    """For segmenters; a detector has no masks. Packing and Winograd convolutions come after it."""
    if has_step(model, STEP):
        return model
    model = fast_copy(model)
    network = model.network
    if not isinstance(network, ConditionalDetrSegmenter):
        return model
    plain = network.mask_head
    assert isinstance(plain.pyramid, MaskPyramid)
    fast = MaskHead(FastMaskPyramid(plain.pyramid), plain.attention, BLOCK_SIZE)
    return replace_modules(model, STEP, {plain: fast})


class FastMaskPyramid(nn.Module):
    """A `MaskPyramid` whose image features are already convolved."""

    def __init__(self, plain: MaskPyramid) -> None:
        super().__init__()
        weight, bias = _weights_of(plain.conv1.conv)
        self.conv1_image = _folded(weight[:, : plain.channels], bias)
        self.conv1_objects = _folded(weight[:, plain.channels :], torch.zeros_like(bias))
        self.norm1 = plain.conv1.norm
        self.conv2, self.norm2 = _folded(*_weights_of(plain.conv2.conv)), plain.conv2.norm
        self.fpn_stages = nn.ModuleList(FastFpnStage(cast("FpnStage", stage)) for stage in plain.fpn_stages)
        self.output = _folded(*_weights_of(plain.output))

    def image_features(self, projected: FeatureMap, features: tuple[FeatureMap, ...]) -> ImageFeatures:
        finer = reversed(features[: len(self.fpn_stages)])
        stages = cast("Iterable[FastFpnStage]", self.fpn_stages)
        shares = (stage.image_share(feature) for stage, feature in zip(stages, finer, strict=True))
        return ImageFeatures(self.conv1_image(projected), tuple(shares))

    def forward(self, maps: Float[Tensor, "chosen heads rows columns"], features: ImageFeatures) -> MaskLogits:
        joined = self.conv1_objects(maps.contiguous(memory_format=torch.channels_last))
        x = self.norm1(joined.add_(features.coarse)).relu_()
        x = self.norm2(self.conv2(x)).relu_()
        for stage, image_share in zip(self.fpn_stages, features.finer, strict=True):
            x = stage(x, image_share)
        return self.output(x)[:, 0]


class FastFpnStage(nn.Module):
    kernel: Kernel
    summed_kernel: Float[Tensor, "inputs outputs 4 4"]

    def __init__(self, plain: FpnStage) -> None:
        super().__init__()
        self.adapter = _folded(*_weights_of(plain.adapter))
        self.conv, self.norm = _folded(*_weights_of(plain.refinement.conv)), plain.refinement.norm
        self.register_buffer("kernel", self.conv.weight)
        self.register_buffer("summed_kernel", _summed(self.conv.weight))

    def image_share(self, feature: FeatureMap) -> FeatureMap:
        return self.conv(self.adapter(feature))

    def forward(self, x: ObjectMaps, image_share: SharedMap) -> ObjectMaps:
        return self.norm(self._upsampled(x, *image_share.shape[2:]).add_(image_share)).relu_()

    def _upsampled(self, x: ObjectMaps, rows: int, columns: int) -> ObjectMaps:
        """Nearest-neighbor upsampling to that size, convolved without bias."""
        down, across = 2 * x.shape[2] - rows, 2 * x.shape[3] - columns
        if not {down, across} <= {0, 1}:
            return self._convolved(x, rows, columns)
        y = conv_transpose2d(x, self.summed_kernel, stride=2, padding=1)[..., :rows, :columns]
        if down:  # the last row is followed by zero padding, not by its own repetition
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
    return FoldedConvolution(weight.detach(), bias.detach(), ConvGeometry((1, 1), (around, around), (1, 1)))


def _summed(weight: Kernel) -> Float[Tensor, "inputs outputs 4 4"]:
    """The kernel for repeated inputs; added up in double precision, so that a sum is rounded once."""
    sums = weight.double()
    for axis in (2, 3):
        before, here, after = sums.unbind(axis)
        sums = torch.stack((after, here + after, before + here, before), axis)
    return sums.to(weight.dtype).transpose(0, 1).contiguous(memory_format=torch.channels_last)
