"""A file that lists the splits of a dataset that has none of the known layouts: YAML or JSON with `splits:`.

    splits:
      train: {annotations: train.json, images: images}            # COCO, also panoptic with PNGs beside the JSON
      val:   {annotations: Annotations, images: JPEGImages, list: val.txt}   # Pascal VOC
      test:  {images: test/images}                                  # YOLO, with `names:` beside `splits:`
    names: [cat, dog]

Paths start from the folder of the file and may lead anywhere: the file is written by hand, for this disk.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condetr.core.errors import AnnotationError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.coco.layout import coco_file, holds_segments, panoptic_file
from condetr.data.discovery.disk import absence_of, is_folder, slashed
from condetr.data.discovery.layout import Layout, ReadSplit, add_absent, add_split
from condetr.data.discovery.split_names import split_named
from condetr.data.voc.layout import classes_in, voc_files, xml_files
from condetr.data.yolo.layout import yolo_images
from condetr.files.inside import exists

FORMAT = "described"
_KEYS = {"annotations", "images", "list"}


def is_description(content: Any) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get("splits"), Mapping)


def described(path: Path, content: Mapping[str, Any]) -> Layout:
    """The dataset that the file describes.

    Raises:
        AnnotationError: an entry of it is unknown or missing, or names something that does not exist.
    """
    names = content.get("names")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise AnnotationError(f"is {short_repr(names)}, expected a list of texts", source=path, item="names")
    described_splits = {str(name): _DescribedSplit(path, str(name), entry) for name, entry in content["splits"].items()}
    if not described_splits:
        raise AnnotationError("is empty, so there is nothing to read", source=path, item="splits")
    report = DataReport()
    label_files = [file for described_split in described_splits.values() for file in described_split.voc_label_files()]
    voc_classes = classes_in(label_files, names)
    splits: dict[str, ReadSplit] = {}
    for name, described_split in described_splits.items():
        split, absent = split_named(name) or name, described_split.absent()
        if absent is not None:
            add_absent(splits, split, absent, report.at(path, f"splits.{name}"))
        else:
            add_split(splits, split, described_split.reader(voc_classes, names), path)
    if not splits:
        first = next(iter(report.of(ProblemKind.MISSING_SPLIT)))
        raise AnnotationError(first.message, source=path, item=first.item)
    sources = frozenset(source for described_split in described_splits.values() for source in described_split.paths)
    return Layout(FORMAT, path, splits, report, image_sources=sources)


class _DescribedSplit:
    """The paths of one split."""

    def __init__(self, source: Path, split: str, entry: Any) -> None:
        self._source, self._item = source, f"splits.{split}"
        if not isinstance(entry, Mapping) or not set(entry) <= _KEYS or "images" not in entry:
            keys = ", ".join(sorted(_KEYS))
            raise self._error(f"is {short_repr(entry)}, expected a mapping with images; possible keys are {keys}")
        folder = source.absolute().parent
        self._entry = dict(entry)
        self._paths = {
            str(key): Path(os.path.abspath(folder / slashed(str(value))))  # noqa: PTH100  resolve() would follow links
            for key, value in entry.items()
        }

    @property
    def paths(self) -> list[Path]:
        return list(self._paths.values())

    def absent(self) -> AnnotationError | None:
        """An error about a path that does not exist, if there is one."""
        for key, path in self._paths.items():
            if not exists(path):
                return self._error(f"{key} names {short_repr(self._entry[key])}, which {absence_of(path)}")
        return None

    def voc_label_files(self) -> list[Path]:
        labels = self._paths.get("annotations")
        return xml_files(labels, self._paths["images"]) if labels is not None and is_folder(labels) else []

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
