"""The ``annotations=`` of an image processor, COCO detection or panoptic, as labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from condetr.core.errors import AnnotationError
from condetr.hf.processing.processor_settings import AnnotationFormat
from condetr.images.coco_labels.detection import Labels, detection_labels
from condetr.images.coco_labels.panoptic import panoptic_labels
from condetr.images.sizes import HeightWidth

_KEYS = {AnnotationFormat.COCO_DETECTION: "annotations", AnnotationFormat.COCO_PANOPTIC: "segments_info"}
_INTEGERS = ("id", "image_id", "category_id", "iscrowd")


def labels_of_each(
    annotations: Any,
    sizes: Sequence[HeightWidth],
    form: AnnotationFormat,
    masks: bool | None,  # noqa: FBT001  None: those of panoptic annotations only
    masks_path: Any,
) -> list[Labels]:
    """Labels of the images of these ``sizes``, with boxes (x1, y1, x2, y2) in their pixels.

    Raises:
        AnnotationError: names the image by its index and the object by its id.
    """
    each = _plain([annotations] if isinstance(annotations, Mapping) else annotations)
    if not isinstance(each, Sequence) or isinstance(each, str):
        raise AnnotationError(
            f"is {type(each).__name__}, expected a dict, or a list of one per image", item="annotations"
        )
    if len(each) != len(sizes):
        raise AnnotationError(f"{len(each)} annotations for {len(sizes)} images", item="annotations")
    labels = []
    for index, (annotation, size) in enumerate(zip(each, sizes, strict=True)):
        try:
            labels.append(labels_of(annotation, size, form, masks, masks_path))
        except AnnotationError as error:
            item = f"image {index}" if error.item is None else f"image {index}: {error.item}"
            raise error.at(item=item) from None
    return labels


def labels_of(
    annotation: Any,
    size: HeightWidth,
    form: AnnotationFormat,
    masks: bool | None,  # noqa: FBT001
    masks_path: Any,
) -> Labels:
    if not isinstance(annotation, Mapping):
        raise AnnotationError(f"is {type(annotation).__name__}, expected a dict")
    if _KEYS[form] not in annotation:
        others = [other for other, key in _KEYS.items() if key in annotation]
        hint = f'it looks like format="{others[0]}"' if others else None
        raise AnnotationError(f"has no {_KEYS[form]!r}, which format {form} needs", hint=hint)
    if form == AnnotationFormat.COCO_DETECTION:
        return detection_labels(annotation, size, masks=bool(masks))
    if not isinstance(masks_path, str | Path):
        raise AnnotationError(
            f"is {masks_path!r}, expected the folder of the panoptic PNGs (str or Path)", item="masks_path"
        )
    return panoptic_labels(annotation, size, masks_path, masks=masks is None or masks)


def _plain(value: Any, name: str = "") -> Any:
    """Numbers and arrays of numpy and torch, as augmentation libraries leave them, converted to plain JSON values."""
    if isinstance(value, np.ndarray | np.generic | Tensor):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(inner, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if name in _INTEGERS and isinstance(value, float) and value.is_integer():
        return int(value)
    return value
