"""The part of every pipeline: images of any kind through a model, and a result for each, in order."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image

from condetr.core.errors import UsageError
from condetr.hf.pushing import PushesToHub
from condetr.images.decoding.decode import decode
from condetr.images.decoding.sources import Encoded, Readable
from condetr.images.image_inputs import images_of
from condetr.images.options import numbers_of
from condetr.images.resize import size_of_image
from condetr.images.sizes import HeightWidth

ImageResult: TypeAlias = list[dict[str, Any]]  # the objects or segments of one image, best first
PostProcess: TypeAlias = Callable[[Any, Sequence[HeightWidth]], list[ImageResult]]  # from a batch of model outputs

_DECODED = (str, os.PathLike, Encoded, Readable, Image.Image)


class ImagePipeline(PushesToHub):
    """A model and its processor. Made by `pipeline`."""

    def __init__(self, model: Any, image_processor: Any, device: torch.device, *, batch_size: int = 1) -> None:
        self.model = model.to(device).eval()
        self.image_processor = image_processor
        self.device = device
        self.batch_size = batch_size

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Save model and processor into one folder; ``kwargs`` are those of the model's `save_pretrained`."""
        self.image_processor.save_pretrained(save_directory)
        self.model.save_pretrained(save_directory, **kwargs)

    def _run(
        self, inputs: Any, batch_size: int | None, post_process: PostProcess
    ) -> ImageResult | list[ImageResult] | Iterator[ImageResult]:
        """The result of one image; of each image of a list; or, one by one, of any other iterable."""
        count = self.batch_size if batch_size is None else batch_size
        if inputs is None or count < 1:
            raise UsageError(f"expected images and a batch_size of at least 1, not {inputs!r} and {count}")
        if isinstance(inputs, (*_DECODED, np.ndarray, torch.Tensor)):
            return next(self._stream([inputs], 1, post_process))
        results = self._stream(inputs, count, post_process)
        return list(results) if isinstance(inputs, list | tuple) else results

    def _stream(self, images: Iterable[Any], count: int, post_process: PostProcess) -> Iterator[ImageResult]:
        images = iter(images)
        while batch := list(islice(images, count)):
            yield from self._batch_results(batch, post_process)

    @torch.inference_mode()
    def _batch_results(self, batch: list[Any], post_process: PostProcess) -> list[ImageResult]:
        prepared = [self._prepare(image) for image in batch]
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, (features, _) in enumerate(prepared):
            by_shape.setdefault(tuple(features.pixel_values.shape), []).append(index)
        results: list[ImageResult] = [[]] * len(batch)
        for indices in by_shape.values():
            names = prepared[indices[0]][0].keys()
            joined = {name: torch.cat([prepared[index][0][name] for index in indices]) for name in names}
            outputs = self.model(**joined)
            sizes = [prepared[index][1] for index in indices]
            for index, result in zip(indices, post_process(outputs, sizes), strict=True):
                results[index] = result
        return results

    def _prepare(self, image: Any) -> tuple[Any, HeightWidth]:
        channels = len(numbers_of(self.image_processor.image_mean, "image_mean"))
        if isinstance(image, _DECODED):
            image = decode(image, channels=channels)
        features = self.image_processor(image, return_tensors="pt").to(self.device, self.model.dtype)
        [upright] = images_of(image, channels=channels)
        return features, size_of_image(upright)
