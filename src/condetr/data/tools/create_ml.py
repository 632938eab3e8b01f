"""Create ML's JSON of Apple, as Roboflow and RectLabel write it: a list of images, boxes by their centers in pixels."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.tools.label_files import ToolFiles, head_of
from condetr.data.tools.labels import LabeledImage, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.data.tools.shapes import Shape
from condetr.files.json_reading import read_json
from condetr.images.coco_labels.fields import FieldError, mapping_of, number_of
from condetr.images.sizes import HeightWidth

NAME = "create-ml"
_SIDES = ("x", "y", "width", "height")


def is_create_ml_file(path: Path) -> bool:
    head = head_of(path)
    return re.match(rb"\[\s*\{", head) is not None and b'"coordinates"' in head and b'"annotations"' in head


def _layout(folder: Path, files: dict[str, list[Path]]) -> Layout:
    return tool_layout(NAME, folder, list(files), partial(_labels_of, files), _shape_of)


def _labels_of(files: Mapping[str, list[Path]]) -> ToolLabels:
    splits = {split: SplitLabels() for split in files}
    for split, paths in files.items():
        for path in paths:
            for position, entry in enumerate(read_json(path)):
                with splits[split].report.at(path, f"image {position + 1}"):
                    record = mapping_of(entry)
                    name, records = record.get("image", record.get("imagefilename")), record.get("annotations")
                    if not isinstance(records, list):
                        raise FieldError(f"has annotations {short_repr(records)}, expected a list")
                    image = LabeledImage(name, path, f"image {short_repr(name)}", records)
                    splits[split].images.append(image)
    records = (record for part in splits.values() for image in part.images for record in image.records)
    return ToolLabels(classes_of(sorted({_label_of(record) for record in records} - {""})), splits)


def _label_of(record: object) -> str:
    label = record.get("label") if isinstance(record, Mapping) else None
    return label.strip() if isinstance(label, str) else ""


def _shape_of(record: Any, size: HeightWidth, location: Location) -> Shape | None:  # noqa: ARG001  a ReadShape
    sides = mapping_of(mapping_of(record).get("coordinates"))
    x, y, width, height = (number_of(sides.get(key), key) for key in _SIDES)
    if not _label_of(record):
        raise DataProblem(ProblemKind.NO_CLASS, "has no label")
    return Shape(_label_of(record), (x - width / 2, y - height / 2, x + width / 2, y + height / 2))


_FILES = ToolFiles((".json",), is_create_ml_file, _layout)
FORMAT = ReadableFormat(
    NAME,
    "Create ML",
    "`*.json`, a list of images with `coordinates` in their annotations",
    "anywhere below, by name",
    "none",
    _FILES.in_folder,
    _FILES.of_file,
)
