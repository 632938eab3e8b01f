"""Datumaro's JSON (https://github.com/open-edge-platform/datumaro), as CVAT and Geti export it, too.

A file a split: `annotations/train.json`, or `default.json`. Boxes are x, y, width, height in pixels. Annotations of one
label and one `group`, other than 0, are parts of one object.
"""

import re
from collections.abc import Mapping, Sequence
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
from condetr.data.tools.shapes import Shape, ellipse, joined, oriented, outlined, turned_rectangle
from condetr.files.json_reading import read_json
from condetr.images.coco_labels.fields import FieldError, mapping_of, number_of, required
from condetr.images.coco_labels.segmentation import box_of_segmentation
from condetr.images.sizes import HeightWidth

NAME = "datumaro"
_OBJECTS = ("bbox", "rotated_bbox", "polygon", "mask", "ellipse")
_OUTLINES = ("polygon", "mask", "ellipse")  # which say more about an object than a box of the same group


def is_datumaro_file(path: Path) -> bool:
    head = head_of(path)
    begins = re.match(rb'\{\s*"(dm_format_version|infos?|media_type|categories)"\s*:', head) is not None
    return begins and re.search(rb'"categories"\s*:\s*\{', head) is not None


def _layout(folder: Path, files: dict[str, list[Path]]) -> Layout:
    return tool_layout(NAME, folder, list(files), partial(_labels_of, files), _shape_of)


def _labels_of(files: Mapping[str, list[Path]]) -> ToolLabels:
    splits, names = {split: SplitLabels() for split in files}, list[str]()
    for split, paths in files.items():
        for path in paths:
            with splits[split].report.at(path) as location:
                content = mapping_of(read_json(path))
                labels = _label_names(content)
                names += labels
                items = required(content, "items")
                if not isinstance(items, list):
                    raise FieldError(f"has items {short_repr(items)}, expected a list")
                for number, item in enumerate(items, start=1):
                    location.item = f"item {number}"
                    with location:
                        splits[split].images.append(_image_of(mapping_of(item), path, labels))
    return ToolLabels(classes_of(names), splits)


def _label_names(content: Mapping[str, Any]) -> list[str]:
    """The names of all labels, in their order."""
    table = mapping_of(required(content, "categories")).get("label")
    labels = [] if table is None else required(mapping_of(table), "labels")
    if not isinstance(labels, list):
        raise FieldError(f"has labels {short_repr(labels)}, expected a list")
    return [str(required(mapping_of(label), "name")) for label in labels]


def _image_of(item: Mapping[str, Any], path: Path, labels: Sequence[str]) -> LabeledImage:
    name = item.get("id")
    media = item.get("image") or item.get("media") or {}
    stored, size = mapping_of(media).get("path"), mapping_of(media).get("size")
    annotations = item.get("annotations") or []
    if not isinstance(annotations, list):
        raise FieldError(f"has annotations {short_repr(annotations)}, expected a list")
    stated = (size[1], size[0]) if isinstance(size, list) and len(size) == 2 else None  # [height, width]
    records = [[(_name_of(part, labels), part) for part in parts] for parts in _groups(annotations)]
    other = name if isinstance(name, str) and name else None
    return LabeledImage(stored or name, path, f"item {short_repr(name)}", records, stated, other_name=other)


def _groups(annotations: Sequence[object]) -> list[list[Mapping[str, Any]]]:
    """The annotations of each object."""
    groups: dict[object, list[Mapping[str, Any]]] = {}
    for number, annotation in enumerate(annotations):
        record = mapping_of(annotation)
        group = record.get("group")
        grouped = isinstance(group, int) and group != 0 and record.get("type") in _OBJECTS
        groups.setdefault((group, str(record.get("label_id"))) if grouped else number, []).append(record)
    return list(groups.values())


def _name_of(record: Mapping[str, Any], labels: Sequence[str]) -> str | None:
    """The name of its label; None if it has none."""
    number = record.get("label_id")
    if number is None:
        return None
    if not isinstance(number, int) or not 0 <= number < len(labels):
        raise FieldError(f"has label_id {short_repr(number)}, and there are {len(labels)} labels")
    return labels[number]


def _shape_of(parts: Sequence[Any], size: HeightWidth, location: Location) -> Shape | None:
    name, record = parts[0]
    if record.get("type") not in _OBJECTS:
        raise DataProblem(ProblemKind.NO_OBJECT, f"is a {short_repr(record.get('type'))} ({short_repr(name)})")
    if name is None:
        raise DataProblem(ProblemKind.NO_CLASS, f"is a {record['type']} without a label")
    records = [record for _, record in parts]
    outlines = [record for record in records if record.get("type") in _OUTLINES]
    shapes = [_drawn(name, record, size, location) for record in outlines or records]
    attributes = mapping_of(record.get("attributes") or {})
    used = {key for key, value in attributes.items() if value not in (None, False, "", 0)}
    if others := used - {"is_crowd", "occluded"}:
        location.add(ProblemKind.ATTRIBUTES, f"has the attributes {short_repr(sorted(others))}")
    whole = shapes[0] if len(shapes) == 1 else joined(shapes)
    marks = ("occluded",) if "occluded" in used else ()
    return Shape(whole.name, whole.corners, whole.segmentation, crowd="is_crowd" in used, marks=marks)


def _drawn(name: str, record: Mapping[str, Any], size: HeightWidth, location: Location) -> Shape:
    kind = record["type"]
    if kind == "bbox":
        x, y, width, height = _numbers(record, "bbox", 4)
        return Shape(name, (x, y, x + width, y + height))
    if kind == "rotated_bbox":
        x, y, width, height, degrees = _numbers(record, "rbbox", 5)  # around its center
        corners = turned_rectangle(x - width / 2, y - height / 2, width, height, degrees, (x, y))
        return oriented(name, corners, location)
    if kind == "ellipse":
        x1, y1, x2, y2 = _numbers(record, "points", 4)  # the corners around it
        return ellipse(name, ((x1 + x2) / 2, (y1 + y2) / 2), (abs(x2 - x1) / 2, abs(y2 - y1) / 2), 0.0, location)
    if kind == "mask":
        rle = mapping_of(record.get("rle"))
        x, y, width, height = box_of_segmentation(rle, size)
        return Shape(name, (x, y, x + width, y + height), rle)
    sides = _numbers(record, "points", None)
    if len(sides) % 2:
        raise FieldError(f"has {len(sides)} numbers in points, expected pairs")
    return outlined(name, list(zip(sides[::2], sides[1::2], strict=True)), location)


def _numbers(record: Mapping[str, Any], field: str, count: int | None) -> list[float]:
    values = record.get(field)
    if not isinstance(values, list) or count not in (None, len(values)):
        raise FieldError(f"has {field} {short_repr(values)}, expected {count or 'a list of'} numbers")
    return [number_of(value, field) for value in values]


_FILES = ToolFiles((".json",), is_datumaro_file, _layout)
FORMAT = ReadableFormat(
    NAME,
    "Datumaro",
    "`annotations/*.json` with `categories` and `items`, a file a split",
    "`images/SPLIT/`, or anywhere below, by name",
    "masks and outlines (polygons, ellipses, boxes that are turned); parts of one `group` are one object",
    _FILES.in_folder,
    _FILES.of_file,
)
