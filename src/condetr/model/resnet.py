"""ResNet, built from a description: He et al. 2016, with the deep stem of He et al. 2019 ("d", "t") on request."""

from typing import NamedTuple

from torch import nn
from torch.nn.functional import avg_pool2d, max_pool2d, pad, relu

from condetr.core.shapes import FeatureMap, Pixels
from condetr.model.activation import in_place_activation
from condetr.model.config import ResNetDescription
from condetr.model.frozen_norm import ConvNorm


class _Strides(NamedTuple):
    """Stride and dilation of a stage. Where dilation replaces a stride, the first block still has the old dilation."""

    stride: int
    dilation: int
    first_dilation: int


class AverageShortcut(ConvNorm):
    """Average pooling before the 1x1 convolution, so that no pixel is skipped."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, dilation: int) -> None:
        super().__init__(inputs, outputs, kernel=1)
        self.stride = stride
        self.in_place = stride == 1 and dilation > 1

    def forward(self, x: FeatureMap) -> FeatureMap:
        if self.stride > 1:
            x = avg_pool2d(x, 2, self.stride, ceil_mode=True, count_include_pad=False)
        elif self.in_place:
            x = avg_pool2d(pad(x, (0, 1, 0, 1)), 2, 1)
        return super().forward(x)


class Block(nn.Module):
    """A residual block."""

    def __init__(
        self, description: ResNetDescription, inputs: int, inner: int, outputs: int, strides: _Strides, *, changes: bool
    ) -> None:
        super().__init__()
        stride, dilation, first_dilation = strides
        if description.block == "basic":
            self.convs = nn.ModuleList(
                [
                    ConvNorm(inputs, inner, 3, stride=stride, dilation=first_dilation),
                    ConvNorm(inner, outputs, 3, dilation=dilation),
                ]
            )
        else:
            outer, center = (stride, 1) if description.stride_in == "1x1" else (1, stride)
            self.convs = nn.ModuleList(
                [
                    ConvNorm(inputs, inner, 1, stride=outer),
                    ConvNorm(inner, inner, 3, stride=center, dilation=first_dilation),
                    ConvNorm(inner, outputs, 1),
                ]
            )
        self.shortcut: ConvNorm | None = None
        if changes:
            average = description.shortcut == "average"
            self.shortcut = (
                AverageShortcut(inputs, outputs, stride=stride, dilation=dilation)
                if average
                else ConvNorm(inputs, outputs, 1, stride=stride)
            )
        self.activation = in_place_activation(description.activation)

    def forward(self, x: FeatureMap) -> FeatureMap:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        *inner, last = self.convs
        for conv in inner:
            x = relu(conv(x), inplace=True)  # whatever the activation between blocks, as in transformers' ResNet
        return self.activation(last(x).add_(shortcut))  # adding in place saves a map


class ResNet(nn.Module):
    """``forward`` returns the feature maps of all stages, finest first."""

    def __init__(self, description: ResNetDescription) -> None:
        super().__init__()
        self.stride = description.stride
        self.widths = description.widths
        self.activation = in_place_activation(description.activation)
        self.stem = _stem(description)
        self.stages = nn.ModuleList(nn.Sequential(*blocks) for blocks in _stages(description))

    def forward(self, pixels: Pixels) -> tuple[FeatureMap, ...]:
        x = pixels
        for conv in self.stem:
            x = self.activation(conv(x))
        x = max_pool2d(x, kernel_size=3, stride=2, padding=1)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)


def _stem(description: ResNetDescription) -> nn.ModuleList:
    if len(description.stem_widths) == 1:
        return nn.ModuleList([ConvNorm(description.in_channels, description.stem_widths[0], 7, stride=2)])
    first, second, third = description.stem_widths
    return nn.ModuleList(
        [
            ConvNorm(description.in_channels, first, 3, stride=2),
            ConvNorm(first, second, 3),
            ConvNorm(second, third, 3),
        ]
    )


def _stages(description: ResNetDescription) -> list[list[Block]]:
    inputs = description.stem_widths[-1]
    squeeze = 4 if description.block == "bottleneck" else 1
    inner_widths = description.inner_widths or tuple(width // squeeze for width in description.widths)
    stages, strides_of_stages = [], _strides_of(description)
    rows = zip(description.depths, inner_widths, description.widths, strides_of_stages, strict=True)
    for depth, inner, outputs, strides in rows:
        blocks = []
        for number in range(depth):
            of_block = strides if number == 0 else _Strides(1, strides.dilation, strides.dilation)
            changes = number == 0 and (inputs != outputs or strides.stride != 1)
            blocks.append(Block(description, inputs, inner, outputs, of_block, changes=changes))
            inputs = outputs
        stages.append(blocks)
    return stages


def _strides_of(description: ResNetDescription) -> list[_Strides]:
    """Stages have strides until the output stride is reached, and dilation from there on."""
    stages, reached, dilation = [], 4, 1
    for number in range(len(description.depths)):
        stride = description.first_stage_stride if number == 0 else 2
        before = dilation
        if reached >= description.stride:
            dilation, stride = dilation * stride, 1
        reached *= stride
        stages.append(_Strides(stride, dilation, before))
    return stages
