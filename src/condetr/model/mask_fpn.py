"""From attention maps to masks: convolutions that meet ever finer features of the image (DETR, section 4.4)."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, relu

from condetr.core.errors import SettingsError
from condetr.core.shapes import FeatureMap, MaskLogits

ObjectMaps = Float[Tensor, "chosen _ _ _"]  # channels, rows, columns: each convolution has its own
SharedMap = Float[Tensor, "_ _ _ _"]  # one for all objects of an image, or each its own

FINER = 3  # stages of the backbone that the masks meet, coarsest of them first
NORM_GROUPS = 8


class ImageFeatures(NamedTuple):
    """What all objects of an image have in common, computed once.

    Attributes:
        coarse: what the projected features add to the first convolution.
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


class Fusion(nn.Module):
    """Enlarge what is known of each object, and add what the image shows at that size."""

    def __init__(self, feature_width: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.adapter = _convolution(feature_width, inputs, kernel=1)
        self.refinement = Refinement(inputs, outputs)

    def forward(self, x: ObjectMaps, adapted: SharedMap) -> ObjectMaps:
        return self.refinement(adapted + interpolate(x, size=adapted.shape[-2:], mode="nearest"))


class MaskPyramid(nn.Module):
    """``clues`` looks at the images, ``forward`` at some objects of one of them.

    Args:
        channels: of the transformer.
        heads: maps of each object.
        feature_widths: of the backbone's stages, finest first.
    """

    def __init__(self, channels: int, heads: int, feature_widths: tuple[int, ...]) -> None:
        super().__init__()
        widths = _widths(channels, heads)
        if len(feature_widths) < FINER:
            raise SettingsError(
                f"has {len(feature_widths)} stages, expected at least {FINER}: masks are refined by them",
                item="backbone",
            )
        self.channels = channels
        self.joining = Refinement(widths[0], widths[0])
        self.narrowing = Refinement(widths[0], widths[1])
        finer = reversed(feature_widths[:FINER])
        self.fusions = nn.ModuleList(map(Fusion, finer, widths[1:-1], widths[2:]))
        self.output = _convolution(widths[-1], 1, kernel=3)

    def clues(self, projected: FeatureMap, features: tuple[FeatureMap, ...]) -> ImageFeatures:
        """What the images say about every object in them.

        The first convolution sees the projected features and the maps of an object side by side. It is linear, so
        the features' share, nearly all of it, is computed once per image instead of once per object.
        """
        first = self.joining.conv
        coarse = conv2d(projected, first.weight[:, : self.channels], first.bias, padding=1)
        finer = reversed(features[:FINER])
        adapters = [fusion.get_submodule("adapter") for fusion in self.fusions]
        return ImageFeatures(coarse, tuple(adapter(stage) for adapter, stage in zip(adapters, finer, strict=True)))

    def forward(self, maps: Float[Tensor, "chosen heads rows columns"], clues: ImageFeatures) -> MaskLogits:
        """Masks of some objects of one image, at the size of its finest feature map."""
        own = conv2d(maps, self.joining.conv.weight[:, self.channels :], padding=1)
        x = self.narrowing(self.joining.finish(clues.coarse + own))
        for fusion, adapted in zip(self.fusions, clues.finer, strict=True):
            x = fusion(x, adapted)
        return self.output(x)[:, 0]


def _widths(channels: int, heads: int) -> tuple[int, ...]:
    """Channels between the convolutions: each stage has half of those before it.

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
