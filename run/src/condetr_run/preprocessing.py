"""Preprocessing of an image as ``preprocessor_config.json`` of an exported folder says, with Pillow and numpy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageOps


def prepared(image: Image.Image, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The inputs of the graph for one image: ``pixels`` and ``mask``, true on the image and false on padding."""
    height, width = target_size(image.height, image.width, settings)
    if (height, width) != (image.height, image.width):
        image = image.resize((width, height), Image.Resampling(settings.get("resample", Image.Resampling.BILINEAR)))
    pixels = np.asarray(image, np.float32).transpose(2, 0, 1)
    if settings.get("do_rescale", True):
        pixels = pixels * np.float32(settings.get("rescale_factor", 1 / 255))
    if settings.get("do_normalize", True):
        mean, std = (np.asarray(settings[name], np.float32)[:, None, None] for name in ("image_mean", "image_std"))
        pixels = (pixels - mean) / std
    frame = settings.get("pad_size") if settings.get("do_pad", True) else None
    below, beside = (frame["height"] - height, frame["width"] - width) if frame else (0, 0)
    pixels = np.pad(pixels, ((0, 0), (0, below), (0, beside)))
    mask = np.pad(np.ones((height, width), np.bool_), ((0, below), (0, beside)))
    return {"pixels": np.ascontiguousarray(pixels[None]), "mask": mask[None]}


def upright(image: Image.Image) -> Image.Image:
    """The image in RGB, turned as its EXIF orientation says."""
    return ImageOps.exif_transpose(image).convert("RGB")


def target_size(height: int, width: int, settings: Mapping[str, Any]) -> tuple[int, int]:
    """The (height, width) that an image is resized to."""
    if not settings.get("do_resize", True):
        return height, width
    size = settings["size"]
    if "height" in size:
        return size["height"], size["width"]
    if "max_height" in size:
        scale = min(size["max_height"] / height, size["max_width"] / width)
        return max(1, int(height * scale)), max(1, int(width * scale))
    return _of_edges(height, width, size.get("shortest_edge"), size.get("longest_edge"))


def _of_edges(height: int, width: int, shortest: int | None, longest: int | None) -> tuple[int, int]:
    """The shorter edge becomes ``shortest``, unless the longer one would exceed ``longest``."""
    low, high = sorted((height, width))
    if shortest is None:
        long = longest or high
        short = max(1, int(long * low / high))
    else:
        bounded = longest is not None and high / low * shortest > longest
        exact = longest * low / high if longest is not None and bounded else shortest
        short = round(exact)
        if short == low:
            return height, width
        short, long = max(1, short), max(1, int(exact * high / low))
    return (long, short) if width < height else (short, long)
