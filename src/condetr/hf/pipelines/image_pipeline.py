"""What every pipeline does: images of any kind to a model, and back an answer for each, in order."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image

from condetr.core.errors import UsageError
from condetr.hf.pushing import push_folder
from condetr.images.decoding.decode import decode
from condetr.images.decoding.sources import Encoded, Readable
from condetr.images.image_inputs import images_of
from condetr.images.options import numbers_of
from condetr.images.resize import size_of_image
from condetr.images.sizes import HeightWidth

Found: TypeAlias = list[dict[str, Any]]  # in one image, best first
Answers: TypeAlias = Callable[[Any, Sequence[HeightWidth]], list[Found]]  # of the model's outputs, one an image


class ImagePipeline:
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
        """Model and processor into one folder; ``kwargs`` are those of the model's `save_pretrained`."""
        self.image_processor.save_pretrained(save_directory)
        self.model.save_pretrained(save_directory, **kwargs)

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> str:
        """Upload model and processor; ``kwargs`` are those of the model's `push_to_hub`."""
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_folder(folder, repo_id, **kwargs)

    def _each(self, given: Any, batch_size: int | None, answers: Answers) -> Found | list[Found] | Iterator[Found]:
        """Of one image; of each image of a list; or, one by one, of any other iterable."""
        together = self.batch_size if batch_size is None else batch_size
        if given is None or together < 1:
            raise UsageError(f"expected images and a batch_size of at least 1, not {given!r} and {together}")
        if _is_image(given):
            return next(self._stream([given], 1, answers))
        found = self._stream(given, together, answers)
        return list(found) if isinstance(given, list | tuple) else found

    def _stream(self, images: Iterable[Any], together: int, answers: Answers) -> Iterator[Found]:
        images = iter(images)
        while batch := list(islice(images, together)):
            yield from self._found_in(batch, answers)

    @torch.inference_mode()
    def _found_in(self, batch: list[Any], answers: Answers) -> list[Found]:
        prepared = [self._prepared(given) for given in batch]
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for place, (features, _) in enumerate(prepared):
            by_shape.setdefault(tuple(features.pixel_values.shape), []).append(place)
        found: list[Found] = [[]] * len(batch)
        for places in by_shape.values():
            names = prepared[places[0]][0].keys()
            joined = {name: torch.cat([prepared[place][0][name] for place in places]) for name in names}
            outputs = self.model(**joined)
            sizes = [prepared[place][1] for place in places]
            for place, answer in zip(places, answers(outputs, sizes), strict=True):
                found[place] = answer
        return found

    def _prepared(self, given: Any) -> tuple[Any, HeightWidth]:
        channels = len(numbers_of(self.image_processor.image_mean, "image_mean"))
        image = (
            decode(given, channels=channels)
            if isinstance(given, str | os.PathLike | Encoded | Readable | Image.Image)
            else given
        )
        features = self.image_processor(image, return_tensors="pt").to(self.device, self.model.dtype)
        [upright] = images_of(image, channels=channels)
        return features, size_of_image(upright)


def _is_image(given: Any) -> bool:
    return isinstance(given, str | os.PathLike | Encoded | Readable | Image.Image | np.ndarray | torch.Tensor)
