"""Checks of the arguments of a forward pass, and their conversion to what the network takes."""

import torch
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.core.shapes import PixelMask, Pixels, QueryMask
from condetr.model.transformer import DetrTransformer, grid_mask


def check_pixels(pixels: Tensor, body: DetrTransformer) -> None:
    channels = body.config.backbone.in_channels
    if (
        not isinstance(pixels, Tensor)
        or pixels.ndim != 4
        or not pixels.is_floating_point()
        or pixels.shape[1] != channels
    ):
        raise UsageError(
            f"is {_described(pixels)}, expected floating point (batch, {channels}, height, width)",
            item="pixel_values",
            hint="an image processor makes it from images",
        )
    if 0 in pixels.shape:
        raise UsageError(f"is empty: {list(pixels.shape)}", item="pixel_values")


def padding_of(pixel_mask: Tensor | None, pixels: Pixels, body: DetrTransformer) -> PixelMask | None:
    """True on real pixels; None if all are real, which is faster."""
    if pixel_mask is None:
        return None
    expected = (pixels.shape[0], *pixels.shape[2:])
    if not isinstance(pixel_mask, Tensor) or pixel_mask.shape != expected:
        raise UsageError(f"is {_described(pixel_mask)}, expected {list(expected)}", item="pixel_mask")
    mask = pixel_mask.to(pixels.device).bool()
    if torch.compiler.is_compiling():  # values are not known yet
        return mask
    if mask.all():
        return None
    empty = ~grid_mask(pixels, mask, *body.grid_size(pixels)).flatten(1).any(1)
    if empty.any():
        raise UsageError(
            "marks no cell of the feature map as real",
            item=f"pixel_mask, image {int(empty.nonzero()[0])}",
            hint="1 is a real pixel, 0 is padding",
        )
    return mask


def visible_queries(decoder_attention_mask: Tensor | None, batch: int, queries: int) -> QueryMask | None:
    """False on queries hidden from the others."""
    if decoder_attention_mask is None:
        return None
    check_shape("decoder_attention_mask", decoder_attention_mask, (batch, queries))
    mask = decoder_attention_mask.bool()
    if not torch.compiler.is_compiling() and not mask.any(1).all():
        raise UsageError(
            "hides every query of an image", item="decoder_attention_mask", hint="1 is visible, 0 is hidden"
        )
    return mask


def check_shape(name: str, tensor: Tensor | None, expected: tuple[int, ...]) -> None:
    if tensor is not None and (not isinstance(tensor, Tensor) or tensor.shape != expected):
        raise UsageError(f"is {_described(tensor)}, expected {list(expected)}", item=name)


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return f"a {type(value).__name__}"
