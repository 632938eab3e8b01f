"""labelme's JSON, one file an image (https://github.com/wkentaro/labelme), as AnyLabeling and others write it, too.

Points are in pixels. `imagePath` starts from the JSON file, perhaps with the slashes of Windows; `imageData` may hold
the image itself. Shapes of one label and one `group_id` are parts of one object.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from condetr.core.errors import CondetrError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.disk import is_file, slashed
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.tools.label_files import ToolFiles, head_of
from condetr.data.tools.labels import LabeledImage, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.data.tools.shapes import (
    Point,
    Shape,
    box_around,
    bytes_of_base64,
    ellipse,
    joined,
    oriented,
    outlined,
    painted,
    patch_of_png,
)
from condetr.files.json_reading import read_json
from condetr.files.text import lines_of, text_of
from condetr.images.coco_labels.fields import FieldError, mapping_of, number_of
from condetr.images.file_endings import IMAGE_ENDINGS
from condetr.images.sizes import HeightWidth

NAME = "labelme"
_HEAD = re.compile(rb"\{")
_KEYS = re.compile(rb'"(shapes"\s*:\s*\[|imageData"\s*:\s*["n])')
_ORIENTED = ("rotation", "oriented_rectangle", "rotatedbox")
_NO_OBJECTS = ("point", "points", "line", "linestrip", "line_strip")
_NO_CLASSES = ("__ignore__", "_background_")  # in labelme's labels.txt


def is_labelme_file(path: Path) -> bool:
    head = head_of(path)
    return _HEAD.match(head) is not None and _KEYS.search(head) is not None


def _layout(folder: Path, files: dict[str, list[Path]]) -> Layout:
    return tool_layout(NAME, folder, list(files), lambda: _labels_of(folder, files), _shape_of, one_an_image=True)


def _labels_of(folder: Path, files: dict[str, list[Path]]) -> ToolLabels:
    splits = {split: SplitLabels() for split in files}
    for split, paths in files.items():
        for path in paths:
            with splits[split].report.at(path) as location:
                splits[split].images.append(_image_of(path, location))
    records = (record for part in splits.values() for image in part.images for record in image.records)
    used = {_label_of(shapes[0]) for shapes in records}
    listed = [name for name in _names_in(folder / "labels.txt") if name in used or name not in _NO_CLASSES]
    names = [name for name in listed if name not in _NO_CLASSES]
    return ToolLabels(classes_of([*names, *sorted(used - {*names, *_NO_CLASSES, ""})]), splits)


def _names_in(path: Path) -> list[str]:
    """The lines of labelme's list of labels, which orders them; none if there is no such file."""
    try:
        return [line.strip() for line in lines_of(text_of(path)) if line.strip()] if path.is_file() else []
    except CondetrError:
        return []


def _image_of(path: Path, location: Location) -> LabeledImage:
    try:
        content = read_json(path, trim=_without_pixels)
    except CondetrError as error:
        raise DataProblem(ProblemKind.BAD_LABELS, error.reason) from error
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise DataProblem(ProblemKind.BAD_LABELS, "has no list of shapes")
    name, size = content.get("imagePath"), (content.get("imageWidth"), content.get("imageHeight"))
    embedded = partial(_embedded_in, path) if content.get("imageData") else None
    name = name if isinstance(name, str) and name else path.stem
    beside = None if PurePosixPath(slashed(name)).stem == path.stem else _beside(path)
    if beside is not None:
        location.add(ProblemKind.OTHER_NAME, f"names the image {short_repr(name)}; {beside} of the same name is used")
    return LabeledImage(
        beside or name,
        path,
        None,
        _groups(content["shapes"]),
        None if None in size else size,
        other_name=path.stem,
        embedded=embedded,
    )


def _beside(path: Path) -> str | None:
    """The image beside a label file that has its name: people rename both, and `imagePath` stays."""
    endings = (spelling for ending in sorted(IMAGE_ENDINGS) for spelling in (ending, ending.upper()))
    return next((path.with_suffix(ending).name for ending in endings if is_file(path.with_suffix(ending))), None)


def _without_pixels(record: dict[str, Any]) -> dict[str, Any]:
    """The image itself is most of a file, and seldom needed."""
    if isinstance(record.get("imageData"), str):
        record["imageData"] = bool(record["imageData"])
    return record


def _embedded_in(path: Path) -> bytes:
    return bytes_of_base64(mapping_of(read_json(path)).get("imageData"), "imageData")


def _groups(shapes: Sequence[Any]) -> list[list[Any]]:
    """The shapes of each object."""
    groups: dict[object, list[Any]] = {}
    for number, shape in enumerate(shapes):
        group = shape.get("group_id") if isinstance(shape, Mapping) else None
        key = number if not isinstance(group, int | str) else (str(group), _label_of(shape), shape.get("shape_type"))
        groups.setdefault(key, []).append(shape)
    return list(groups.values())


def _label_of(shape: object) -> str:
    label = shape.get("label") if isinstance(shape, Mapping) else None
    return label.strip() if isinstance(label, str) else ""


def _shape_of(parts: Sequence[Any], size: HeightWidth, location: Location) -> Shape | None:
    records = [mapping_of(part) for part in parts]
    name, kind = _label_of(records[0]), records[0].get("shape_type") or "polygon"
    if kind in _NO_OBJECTS:
        raise DataProblem(ProblemKind.NO_OBJECT, f"is a {kind} ({short_repr(name)})")
    if name in _NO_CLASSES:
        raise DataProblem(ProblemKind.IGNORED_REGION, f"is labeled {name}")
    if not name:
        raise DataProblem(ProblemKind.NO_CLASS, f"is a {short_repr(kind)} without a label")
    flags = records[0].get("flags")
    if isinstance(flags, Mapping) and any(flags.values()):
        location.add(ProblemKind.ATTRIBUTES, f"has the flags {short_repr([key for key in flags if flags[key]])}")
    shapes = [_drawn(str(kind), name, record, size, location) for record in records]
    return shapes[0] if len(shapes) == 1 else joined(shapes)


def _drawn(kind: str, name: str, record: Mapping[str, Any], size: HeightWidth, location: Location) -> Shape:
    points = _points_of(record)
    if kind == "polygon":
        return outlined(name, points, location)
    if kind in _ORIENTED:
        return oriented(name, points, location)
    if kind == "rectangle":
        if len(points) not in (2, 4):
            raise FieldError(f"is a rectangle of {len(points)} points, expected 2 corners")
        return Shape(name, box_around(points))
    if kind in ("circle", "mask") and len(points) != 2:
        raise FieldError(f"is a {kind} of {len(points)} points, expected 2")
    if kind == "circle":
        (x, y), (edge_x, edge_y) = points
        radius = ((edge_x - x) ** 2 + (edge_y - y) ** 2) ** 0.5
        return ellipse(name, (x, y), (radius, radius), 0.0, location)
    if kind == "mask":
        left, top = points[0]
        patch = patch_of_png(bytes_of_base64(record.get("mask"), "mask"), "mask")
        return painted(name, patch, round(left), round(top), size)
    raise DataProblem(ProblemKind.NO_OBJECT, f"is a {short_repr(kind)} ({short_repr(name)})")


def _points_of(record: Mapping[str, Any]) -> list[Point]:
    points = record.get("points")
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) >= 2 for point in points):
        raise FieldError(f"has points {short_repr(points)}, expected pairs of numbers")
    return [(number_of(point[0], "points"), number_of(point[1], "points")) for point in points]


_FILES = ToolFiles((".json",), is_labelme_file, _layout, one_an_image=True)
FORMAT = ReadableFormat(
    NAME,
    "labelme",
    "`*.json` with `shapes`, one an image; `labels.txt`, if there is one, orders the classes",
    "`imagePath` from the JSON file, or by its end anywhere below; or inside of the JSON (`imageData`)",
    "masks and outlines (polygons, circles, boxes that are turned)",
    _FILES.in_folder,
    _FILES.of_file,
)
