"""A file that names the parts of a data set where no layout does: YAML or JSON with `splits:`.

    splits:
      train: {annotations: train.json, images: pictures}            # COCO, also panoptic with PNGs beside the JSON
      val:   {annotations: Annotations, images: JPEGImages, list: val.txt}   # Pascal VOC
      test:  {images: test/images}                                  # YOLO, with `names:` beside `splits:`
    names: [cat, dog]

Paths start from the folder of the file and may lead anywhere: whoever writes it knows the disk.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condetr.core.errors import AnnotationError
from condetr.data.classes import Classes
from condetr.data.coco_kind import holds_segments
from condetr.data.coco_layout import coco_file
from condetr.data.layout import Layout, ReadSplit
from condetr.data.panoptic_layout import panoptic_file
from condetr.data.report import shown
from condetr.data.split_names import split_named
from condetr.data.voc_layout import classes_in, voc_files
from condetr.data.yolo_layout import yolo_pictures

FORMAT = "described"
_KEYS = {"annotations", "images", "list"}


def is_description(content: Any) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get("splits"), Mapping)


def described(path: Path, content: Mapping[str, Any]) -> Layout:
    """The data set that the file describes.

    Raises:
        AnnotationError: a part of it is unknown, missing or not there.
    """
    names = content.get("names")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise AnnotationError(f"is {shown(names)}, expected a list of texts", source=path, item="names")
    table = {str(name): _Part(path, str(name), given) for name, given in content["splits"].items()}
    label_files = [file for part in table.values() for file in part.voc_label_files()]
    voc_classes = classes_in(label_files, names)
    splits: dict[str, ReadSplit] = {}
    for name, part in table.items():
        splits[split_named(name) or name] = part.reader(voc_classes, names)
    return Layout(FORMAT, path, splits)


class _Part:
    """The paths of one split."""

    def __init__(self, source: Path, split: str, given: Any) -> None:
        self._source, self._item = source, f"splits.{split}"
        if not isinstance(given, Mapping) or not set(given) <= _KEYS or "images" not in given:
            known = ", ".join(sorted(_KEYS))
            raise self._error(f"is {shown(given)}, expected a mapping with images, and perhaps others of {known}")
        self._paths = {str(key): self._path(value) for key, value in given.items()}

    def voc_label_files(self) -> list[Path]:
        labels = self._paths.get("annotations")
        return sorted(labels.glob("*.xml")) if labels is not None and labels.is_dir() else []

    def reader(self, voc_classes: Any, names: list[str] | None) -> ReadSplit:
        images, labels = self._paths["images"], self._paths.get("annotations")
        if labels is None:
            if names is None:
                raise self._error("has no annotations, so it is YOLO, which needs names beside splits")
            return yolo_pictures([self._paths.get("list", images)], Classes.named(names), images)
        if labels.is_dir():
            return voc_files(labels, images, self._paths.get("list"), voc_classes)
        return (panoptic_file if holds_segments(labels) else coco_file)(labels, (images,))

    def _path(self, given: object) -> Path:
        path = self._source.absolute().parent / str(given)
        if not path.exists():
            raise self._error(f"names {shown(given)}, which does not exist")
        return path

    def _error(self, reason: str) -> AnnotationError:
        return AnnotationError(reason, source=self._source, item=self._item)
