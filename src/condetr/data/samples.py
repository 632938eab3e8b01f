"""One labeled image from disk to batch, in the form that torchvision's transforms take."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, Mask

from condetr.core.boxes import xyxy_to_cxcywh
from condetr.core.records import Target
from condetr.data.augmentation.sample import Sample
from condetr.data.object_masks import object_masks
from condetr.data.records import Example, Object
from condetr.images.decoding.decode import decode
from condetr.images.sizes import HeightWidth


def read_sample(example: Example, *, masks: bool = False) -> Sample:
    """The decoded image and its objects, without crowds.

    Raises:
        ImageError: the image can no longer be read.
        AnnotationError: the masks can no longer be read, or the dataset was read without them.
    """
    image = Image(pil_to_tensor(decode(example.image)))
    size = (image.shape[-2], image.shape[-1])
    sample = {"image": image, **_labels_of(example.objects, size)}
    return sample | {"masks": Mask(object_masks(example, example.objects))} if masks else sample


def target_of(sample: Sample) -> tuple[Tensor, Target]:
    """The image, three planes of bytes, and its training target."""
    image, boxes, masks = sample["image"], sample["boxes"], sample.get("masks")
    height, width = image.shape[-2:]
    relative = boxes.as_subclass(Tensor) / torch.tensor([width, height, width, height])
    masks = None if masks is None else masks.as_subclass(Tensor)
    return image.as_subclass(Tensor), Target(sample["labels"], xyxy_to_cxcywh(relative), masks)


def _labels_of(objects: Sequence[Object], size: HeightWidth) -> Sample:
    boxes = torch.tensor([labeled.box for labeled in objects], dtype=torch.float32).reshape(-1, 4)
    return {
        "boxes": BoundingBoxes(boxes, format=BoundingBoxFormat.XYXY, canvas_size=size),
        "labels": torch.tensor([labeled.label for labeled in objects], dtype=torch.int64),
    }
