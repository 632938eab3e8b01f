"""A Compose of albumentations as a transform of samples; the library itself is never imported.

Its call is ``compose(image=, bboxes=, masks=, FIELD=)`` with a height x width x 3 array, boxes in the format of Pascal
VOC and one value per object for each label field. The position of an object is passed as its label, so that labels and
masks follow the objects that are kept.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.tv_tensors import Mask

from condetr.core.errors import SettingsError
from condetr.data.augmentation.sample import Sample

_FORMAT = "pascal_voc"
_HINT = "give it bbox_params=A.BboxParams(format='pascal_voc', label_fields=['labels'])"


def looks_like_compose(transform: object) -> bool:
    return hasattr(transform, "processors") and callable(transform)


class AlbumentationsCompose:
    """Raises SettingsError where the Compose takes no boxes, or in another format."""

    def __init__(self, compose: Any) -> None:
        processor = compose.processors.get("bboxes")
        params = getattr(processor, "params", None)
        if params is None:
            raise SettingsError("takes no boxes", item="augment, Compose", hint=_HINT)
        if params.format != _FORMAT:
            raise SettingsError(
                f"takes boxes as {params.format!r}, expected {_FORMAT!r}", item="augment, Compose", hint=_HINT
            )
        self._fields = tuple(params.label_fields or ())
        if not self._fields:
            raise SettingsError("takes boxes without labels", item="augment, Compose", hint=_HINT)
        self._compose = compose
        self.__name__ = "Compose"

    def __call__(self, sample: Sample) -> Sample:
        reseed = getattr(self._compose, "set_random_seed", None)
        if reseed is not None:  # newer versions have generators of their own
            reseed(int(torch.randint(2**31, ())))
        boxes, numbers = sample["boxes"].as_subclass(Tensor), list(range(len(sample["boxes"])))
        values: dict[str, Any] = dict.fromkeys(self._fields, numbers)
        values["bboxes"] = [tuple(box) for box in boxes.tolist()]
        if "masks" in sample:
            values["masks"] = list(sample["masks"].as_subclass(Tensor).to(torch.uint8).numpy())
        pixels = np.ascontiguousarray(sample["image"].as_subclass(Tensor).permute(1, 2, 0).numpy())
        varied = self._compose(image=pixels, **values)
        kept = torch.tensor([int(number) for number in varied[self._fields[0]]], dtype=torch.int64)
        changed: Sample = {
            "image": _image_of(varied["image"]),
            "boxes": torch.tensor(np.asarray(varied["bboxes"], dtype=np.float32).reshape(-1, 4)),
            "labels": sample["labels"][kept],
        }
        if "masks" in sample:
            masks = [torch.from_numpy(np.asarray(mask) > 0) for mask in varied["masks"]]
            shape = changed["image"].shape[-2:]
            changed["masks"] = Mask(torch.stack(masks)[kept] if masks else torch.zeros((0, *shape), dtype=torch.bool))
        return sample | changed


def _image_of(pixels: Any) -> Tensor:
    """From an array, or from what ToTensorV2 makes of it."""
    return (
        pixels
        if isinstance(pixels, Tensor)
        else torch.from_numpy(np.ascontiguousarray(pixels)).movedim(-1, 0).contiguous()
    )
