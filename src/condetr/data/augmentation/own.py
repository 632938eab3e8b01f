"""An augmentation of the user: a pipeline of torchvision, a function, or a Compose of albumentations."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, Mask

from condetr.core.errors import CondetrError, SettingsError, first_line_of
from condetr.data.augmentation.albumentations_compose import AlbumentationsCompose, looks_like_compose
from condetr.data.augmentation.pipeline import decides_size
from condetr.data.augmentation.resizing import Resize
from condetr.data.augmentation.sample import PER_OBJECT, RemoveInvisibleObjects, Sample
from condetr.images.sizes import Size

Augmentation: TypeAlias = Callable[[Sample], Sample]


class OwnAugmentation:
    """Calls the user's transform, checks what it returns, and resizes the image as prediction does.

    The last is left out where a resizing transform of torchvision is among them: its size is what is wanted.
    """

    def __init__(self, transforms: Sequence[Any], size: Size | None) -> None:
        self.transforms = [
            AlbumentationsCompose(transform) if looks_like_compose(transform) else transform for transform in transforms
        ]
        is_resized = size is None or any(map(decides_size, transforms))
        self._resize = None if is_resized or size is None else Resize(size, (1.0,))
        self._remove = RemoveInvisibleObjects(1.0)

    def __call__(self, sample: Sample) -> Sample:
        """Raises SettingsError where a transform fails or returns something else than a sample."""
        for number, transform in enumerate(self.transforms, start=1):
            sample = _applied(transform, sample, _item_of(transform, number, len(self.transforms)))
        return self._remove(sample if self._resize is None else self._resize(sample))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """While entered, the global generators of torch, numpy and Python begin at ``seed``."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _applied(transform: Augmentation, sample: Sample, item: str) -> Sample:
    try:
        varied = transform(dict(sample))
    except CondetrError as error:
        raise error.at(item=item) from error
    except Exception as error:  # code of the user
        raise SettingsError(f"failed: {type(error).__name__}: {first_line_of(error)}", item=item) from error
    return _checked(varied, sample, item)


def _item_of(transform: object, number: int, count: int) -> str:
    name = getattr(transform, "__name__", None) or type(transform).__name__
    return f"augment, step {number}, {name}" if count > 1 else f"augment, {name}"


def _checked(varied: Any, before: Sample, item: str) -> Sample:
    """The sample that a transform returned, its boxes inside of the image.

    Raises:
        SettingsError: it is no sample, or its parts contradict each other.
    """
    wrong = _what_is_wrong(varied, before)
    if wrong is not None:
        raise SettingsError(f"returns {wrong}", item=item)
    height, width = varied["image"].shape[-2:]
    boxes = BoundingBoxes(
        varied["boxes"].as_subclass(Tensor).float(), format=BoundingBoxFormat.XYXY, canvas_size=(height, width)
    )
    sample = varied | {
        "image": Image(varied["image"].as_subclass(Tensor)),
        "boxes": v2.functional.clamp_bounding_boxes(boxes),
        "labels": varied["labels"].as_subclass(Tensor).long(),
    }
    return sample | {"masks": Mask(varied["masks"].as_subclass(Tensor).bool())} if "masks" in before else sample


def _what_is_wrong(varied: Any, before: Sample) -> str | None:  # noqa: PLR0911  one return a rule
    if not isinstance(varied, dict):
        return f"a {type(varied).__name__}, expected the sample, a dict"
    missing = [name for name in ("image", *PER_OBJECT) if name in before and not isinstance(varied.get(name), Tensor)]
    if missing:
        return f"no tensor {' or '.join(missing)}, which the sample had"
    image, boxes, labels = varied["image"], varied["boxes"], varied["labels"]
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        expected = "expected uint8 of 3 x height x width: leave out normalization and conversions, which follow"
        return f"an image of {str(image.dtype).removeprefix('torch.')} {tuple(image.shape)}, {expected}"
    height, width = image.shape[-2:]
    if boxes.ndim != 2 or boxes.shape[1] != 4 or getattr(boxes, "format", BoundingBoxFormat.XYXY).value != "XYXY":
        return f"boxes of shape {tuple(boxes.shape)}, expected x1, y1, x2, y2 of each object"
    if tuple(getattr(boxes, "canvas_size", (height, width))) != (height, width):
        return f"boxes for an image of {tuple(boxes.canvas_size)}, but the image has {(height, width)} (height, width)"
    if not boxes.as_subclass(Tensor).isfinite().all():
        return "boxes that are not finite"
    if labels.shape != boxes.shape[:1]:
        return f"{len(boxes)} boxes and {labels.numel()} labels: objects must be dropped from both"
    if not set(labels.tolist()) <= set(before["labels"].tolist()):
        return "labels that the sample did not have"
    if "masks" in before and varied["masks"].shape != (len(boxes), height, width):
        return f"masks of {tuple(varied['masks'].shape)}, expected {(len(boxes), height, width)}"
    return None
