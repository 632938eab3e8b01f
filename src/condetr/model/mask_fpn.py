"""From attention maps to masks: an FPN-style convolutional network over the backbone's features (DETR, section 4.4)."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, relu

from condetr.core.errors import SettingsError
from condetr.core.shapes import FeatureMap, MaskLogits

ObjectMaps = Float[Tensor, "chosen _ _ _"]  # channels, rows, columns: each convolution has its own
SharedMap = Float[Tensor, "_ _ _ _"]  # one for all objects of an image, or one for each

FPN_STAGES = 3  # as many stages of the backbone, coarsest of them first
NORM_GROUPS = 8
# Of the first weights of the maps: all maps of an object together sum to one, so each number in them is about one over
# the number of heads and cells. With weights like those of the features, all objects of an image begin with the same
# mask, for nothing but their maps differs.
MAP_SCALE = 500.0
# Of the output: a mask begins with a probability of 5 % everywhere (RetinaNet, section 4.1). With 50 %, the focal loss
# first drives all pixels to 0, where dice has no gradient.
PRIOR_BIAS = -3.0


class ImageFeatures(NamedTuple):
    """What all objects of an image share, computed once.

    Attributes:
        coarse: the share of the projected features in the output of the first convolution.
        finer: the adapted feature maps of the backbone, coarsest first.
    """

    coarse: FeatureMap
    finer: tuple[FeatureMap, ...]

    def of_image(self, image: int) -> "ImageFeatures":
        return ImageFeatures(self.coarse[image, None], tuple(adapted[image, None] for adapted in self.finer))


class Refinement(nn.Module):
    """Convolution, group norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _convolution(inputs, outputs, kernel=3)
        self.norm = nn.GroupNorm(min(NORM_GROUPS, outputs), outputs)

    def forward(self, x: ObjectMaps) -> ObjectMaps:
        return self.finish(self.conv(x))

    def finish(self, convolved: ObjectMaps) -> ObjectMaps:
        return relu(self.norm(convolved))


class FpnStage(nn.Module):
    """Upsample the maps of each object and add the image's features of that size."""

    def __init__(self, feature_width: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.adapter = _convolution(feature_width, inputs, kernel=1)
        self.refinement = Refinement(inputs, outputs)

    def forward(self, x: ObjectMaps, adapted: SharedMap) -> ObjectMaps:
        return self.refinement(adapted + interpolate(x, size=adapted.shape[-2:], mode="nearest"))


class MaskPyramid(nn.Module):
    """``image_features`` depends on the images alone, ``forward`` on some objects of one of them.

    Args:
        channels: of the transformer.
        heads: maps of each object.
        feature_widths: of the backbone's stages, finest first.
    """

    def __init__(self, channels: int, heads: int, feature_widths: tuple[int, ...]) -> None:
        super().__init__()
        widths = _widths(channels, heads)
        if len(feature_widths) < FPN_STAGES:
            raise SettingsError(
                f"has {len(feature_widths)} stages, expected at least {FPN_STAGES}: masks are refined by them",
                item="backbone",
            )
        self.channels = channels
        self.conv1 = Refinement(widths[0], widths[0])
        with torch.no_grad():
            self.conv1.conv.weight[:, channels:] *= MAP_SCALE
        self.conv2 = Refinement(widths[0], widths[1])
        finer = reversed(feature_widths[:FPN_STAGES])
        self.fpn_stages = nn.ModuleList(map(FpnStage, finer, widths[1:-1], widths[2:]))
        self.output = _convolution(widths[-1], 1, kernel=3)
        assert self.output.bias is not None
        nn.init.constant_(self.output.bias, PRIOR_BIAS)

    def image_features(self, projected: FeatureMap, features: tuple[FeatureMap, ...]) -> ImageFeatures:
        """What does not depend on the objects.

        The first convolution's input is the projected features and the maps of an object, concatenated. It is linear,
        so the features' share, nearly all of it, is computed once per image instead of once per object.
        """
        first = self.conv1.conv
        coarse = conv2d(projected, first.weight[:, : self.channels], first.bias, padding=1)
        finer = reversed(features[:FPN_STAGES])
        adapters = [stage.get_submodule("adapter") for stage in self.fpn_stages]
        return ImageFeatures(coarse, tuple(adapter(feature) for adapter, feature in zip(adapters, finer, strict=True)))

    def forward(self, maps: Float[Tensor, "chosen heads rows columns"], features: ImageFeatures) -> MaskLogits:
        """Masks of some objects of one image, at the size of its finest feature map."""
        own = conv2d(maps, self.conv1.conv.weight[:, self.channels :], padding=1)
        x = self.conv2(self.conv1.finish(features.coarse + own))
        for stage, adapted in zip(self.fpn_stages, features.finer, strict=True):
            x = stage(x, adapted)
        return self.output(x)[:, 0]


def _widths(channels: int, heads: int) -> tuple[int, ...]:
    """Channels between the convolutions: each stage halves them.

    Raises:
        SettingsError: group norm cannot divide them.
    """
    widths = (channels + heads, channels // 2, channels // 4, channels // 8, channels // 16)
    if (channels + heads) % NORM_GROUPS:
        raise SettingsError(
            f"is {channels}, and {heads} encoder attention heads make {channels + heads}; the mask head needs a"
            f" multiple of {NORM_GROUPS}",
            item="d_model",
        )
    for divisor, width in zip((2, 4, 8, 16), widths[1:], strict=True):
        if width < 1 or width % min(NORM_GROUPS, width):
            raise SettingsError(
                f"is {channels}, whose 1/{divisor} is {width}; the mask head needs 1 to {NORM_GROUPS} channels there,"
                f" or a multiple of {NORM_GROUPS}",
                item="d_model",
            )
    return widths


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_uniform_(convolution.weight, a=1)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return convolution
