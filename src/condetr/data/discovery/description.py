"""A file that names the parts of a data set where no layout does: YAML or JSON with `splits:`.

    splits:
      train: {annotations: train.json, images: images}            # COCO, also panoptic with PNGs beside the JSON
      val:   {annotations: Annotations, images: JPEGImages, list: val.txt}   # Pascal VOC
      test:  {images: test/images}                                  # YOLO, with `names:` beside `splits:`
    names: [cat, dog]

Paths start from the folder of the file and may lead anywhere: whoever writes it knows the disk.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condetr.core.errors import AnnotationError
from condetr.data.checks.data_report import Report, shown
from condetr.data.checks.problems import Reason
from condetr.data.classes import Classes
from condetr.data.coco.kind import holds_segments
from condetr.data.coco.layout import coco_file
from condetr.data.coco.panoptic_layout import panoptic_file
from condetr.data.discovery.disk import absence_of, exists, is_folder, slashed, with_ending
from condetr.data.discovery.layout import Layout, ReadSplit, add_absent, add_split
from condetr.data.discovery.split_names import split_named
from condetr.data.voc.layout import classes_in, voc_files
from condetr.data.yolo.layout import yolo_images

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
    if not table:
        raise AnnotationError("is empty, so there is nothing to read", source=path, item="splits")
    report = Report()
    label_files = [file for part in table.values() for file in part.voc_label_files()]
    voc_classes = classes_in(label_files, names)
    splits: dict[str, ReadSplit] = {}
    for name, part in table.items():
        split, absent = split_named(name) or name, part.absent()
        if absent is not None:
            add_absent(splits, split, absent, report.place(path, f"splits.{name}"))
        else:
            add_split(splits, split, part.reader(voc_classes, names), path)
    if not splits:
        first = next(iter(report.of(Reason.MISSING_SPLIT)))
        raise AnnotationError(first.said, source=path, item=first.item)
    return Layout(FORMAT, path, splits, report)


class _Part:
    """The paths of one split."""

    def __init__(self, source: Path, split: str, given: Any) -> None:
        self._source, self._item = source, f"splits.{split}"
        if not isinstance(given, Mapping) or not set(given) <= _KEYS or "images" not in given:
            known = ", ".join(sorted(_KEYS))
            raise self._error(f"is {shown(given)}, expected a mapping with images, and perhaps others of {known}")
        folder = source.absolute().parent
        self._given = dict(given)
        self._paths = {
            str(key): Path(os.path.abspath(folder / slashed(str(value))))  # noqa: PTH100  resolve() would follow links
            for key, value in given.items()
        }

    def absent(self) -> AnnotationError | None:
        """What is named and not there, as an error."""
        for key, path in self._paths.items():
            if not exists(path):
                return self._error(f"{key} names {shown(self._given[key])}, which {absence_of(path)}")
        return None

    def voc_label_files(self) -> list[Path]:
        labels = self._paths.get("annotations")
        return with_ending(labels, ".xml") if labels is not None and is_folder(labels) else []

    def reader(self, voc_classes: Any, names: list[str] | None) -> ReadSplit:
        images, labels = self._paths["images"], self._paths.get("annotations")
        if labels is None:
            if names is None:
                raise self._error("has no annotations, so it is YOLO, which needs names beside splits")
            return yolo_images([self._paths.get("list", images)], Classes.named(names).distinct(), images)
        if is_folder(labels):
            return voc_files(labels, images, self._paths.get("list"), voc_classes)
        if "list" in self._paths:
            raise self._error("has a list beside a COCO file, which lists its images itself")
        return (panoptic_file if holds_segments(labels) else coco_file)(labels, (images,))

    def _error(self, reason: str) -> AnnotationError:
        return AnnotationError(reason, source=self._source, item=self._item)
