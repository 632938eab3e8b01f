"""From pictures to named boxes in whole pixels, as hosted object detectors answer."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from PIL import Image

from condetr.core.errors import UsageError
from condetr.hf.batch_feature import BatchFeature
from condetr.images.decode import decode
from condetr.images.pictures import pictures_of
from condetr.images.resize import size_of_picture
from condetr.images.sizes import HeightWidth
from condetr.images.sources import Encoded

TASK = "object-detection"
Found = list[dict[str, Any]]  # {"score", "label", "box": {"xmin", "ymin", "xmax", "ymax"}}, best first


class ObjectDetectionPipeline:
    """A model and its processor, from files to named boxes. Made by `pipeline`."""

    task = TASK

    def __init__(
        self, model: Any, image_processor: Any, device: torch.device, *, threshold: float = 0.5, batch_size: int = 1
    ) -> None:
        self.model = model.to(device).eval()
        self.image_processor = image_processor
        self.device = device
        self.threshold = threshold
        self.batch_size = batch_size

    def __call__(
        self,
        inputs: Any = None,
        *,
        images: Any = None,
        threshold: float | None = None,
        batch_size: int | None = None,
        timeout: float | None = None,  # noqa: ARG002  for code written for transformers
    ) -> Found | list[Found] | Iterator[Found]:
        """The objects of one picture; of each picture of a list; or, one by one, of any other iterable.

        Pictures are paths, encoded bytes, PIL pictures, arrays or tensors. Files and PIL pictures are turned upright as
        their EXIF orientation says, and boxes are whole pixels of the upright picture. URLs are refused.

        Args:
            inputs: the pictures.
            threshold: what a score must be above.
            batch_size: how many pictures are read together; those that come out equally large go through the model
                at once, so no result depends on the pictures beside it.
            images: another name for ``inputs``.
            timeout: of no consequence: in transformers, how long to wait for pictures from the web.
        """
        given = images if inputs is None else inputs
        limit = self.threshold if threshold is None else threshold
        together = self.batch_size if batch_size is None else batch_size
        if given is None or together < 1:
            raise UsageError(f"expected pictures and a batch_size of at least 1, not {given!r} and {together}")
        if _is_picture(given):
            return next(self._stream([given], limit, 1))
        found = self._stream(given, limit, together)
        return list(found) if isinstance(given, list | tuple) else found

    def _stream(self, pictures: Iterable[Any], threshold: float, together: int) -> Iterator[Found]:
        pictures = iter(pictures)
        while batch := list(islice(pictures, together)):
            yield from self._found_in(batch, threshold)

    @torch.inference_mode()
    def _found_in(self, batch: list[Any], threshold: float) -> list[Found]:
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
            results = self.image_processor.post_process_object_detection(outputs, threshold, sizes)
            for place, result in zip(places, results, strict=True):
                found[place] = self._named(result)
        return found

    def _prepared(self, given: Any) -> tuple[BatchFeature, HeightWidth]:
        picture = decode(given) if isinstance(given, str | os.PathLike | Encoded | Image.Image) else given
        features = self.image_processor(picture, return_tensors="pt").to(self.device, self.model.dtype)
        [upright] = pictures_of(picture)
        return features, size_of_picture(upright)

    def _named(self, result: dict[str, torch.Tensor]) -> Found:
        rows = zip(
            *(result[name].tolist() for name in ("scores", "labels")), result["boxes"].int().tolist(), strict=True
        )
        sides = ("xmin", "ymin", "xmax", "ymax")
        names = self.model.config.id2label
        return [
            {"score": score, "label": names[label], "box": dict(zip(sides, box, strict=True))}
            for score, label, box in rows
        ]


def _is_picture(given: Any) -> bool:
    return isinstance(given, str | os.PathLike | Encoded | Image.Image | np.ndarray | torch.Tensor)
