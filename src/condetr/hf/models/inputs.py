"""What a model is called with, made what the network takes, or refused by name."""

import torch
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.core.shapes import PixelMask, Pixels, QueryMask
from condetr.model.transformer import DetrTransformer, grid_mask


def check_pixels(pixels: Tensor, body: DetrTransformer) -> None:
    colors = body.config.backbone.in_channels
    if (
        not isinstance(pixels, Tensor)
        or pixels.ndim != 4
        or not pixels.is_floating_point()
        or pixels.shape[1] != colors
    ):
        raise UsageError(
            f"is {_said(pixels)}, expected floating point (batch, {colors}, height, width)",
            item="pixel_values",
            hint="an image processor makes it from images",
        )
    if 0 in pixels.shape:
        raise UsageError(f"is empty: {list(pixels.shape)}", item="pixel_values")


def cells_of(pixels: Pixels, body: DetrTransformer) -> tuple[int, int]:
    """Rows and columns of the last feature map."""
    stride = body.backbone.stride
    return -(-pixels.shape[2] // stride), -(-pixels.shape[3] // stride)


def padding_of(pixel_mask: Tensor | None, pixels: Pixels, body: DetrTransformer) -> PixelMask | None:
    """True on real pixels; None where all are, which the network need not look at."""
    if pixel_mask is None:
        return None
    expected = (pixels.shape[0], *pixels.shape[2:])
    if not isinstance(pixel_mask, Tensor) or pixel_mask.shape != expected:
        raise UsageError(f"is {_said(pixel_mask)}, expected {list(expected)}", item="pixel_mask")
    mask = pixel_mask.to(pixels.device).bool()
    if torch.compiler.is_compiling():  # values are not known yet
        return mask
    if mask.all():
        return None
    empty = ~grid_mask(pixels, mask, *cells_of(pixels, body)).flatten(1).any(1)
    if empty.any():
        raise UsageError(
            "has no real pixel where the network looks",
            item=f"pixel_mask, image {int(empty.nonzero()[0])}",
            hint="1 is a real pixel, 0 is padding",
        )
    return mask


def queries_seen(decoder_attention_mask: Tensor | None, batch: int, queries: int) -> QueryMask | None:
    """False on queries that the others must not see."""
    if decoder_attention_mask is None:
        return None
    check_shape("decoder_attention_mask", decoder_attention_mask, (batch, queries))
    mask = decoder_attention_mask.bool()
    if not torch.compiler.is_compiling() and not mask.any(1).all():
        raise UsageError("hides every query of an image", item="decoder_attention_mask", hint="1 is seen, 0 is hidden")
    return mask


def check_shape(name: str, tensor: Tensor | None, expected: tuple[int, ...]) -> None:
    if tensor is not None and (not isinstance(tensor, Tensor) or tensor.shape != expected):
        raise UsageError(f"is {_said(tensor)}, expected {list(expected)}", item=name)


def _said(given: object) -> str:
    if isinstance(given, Tensor):
        return f"{str(given.dtype).removeprefix('torch.')} {list(given.shape)}"
    return f"a {type(given).__name__}"
