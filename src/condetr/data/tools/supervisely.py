"""Supervisely projects (https://docs.supervisely.com): `meta.json`, and `ann/` and `img/` in each of their datasets.

Points are in pixels; a bitmap is a PNG, packed by zlib and written in base64, with the position of its first pixel.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from condetr.core.errors import AnnotationError, CondetrError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.disk import folders_below, is_file, with_ending
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.tools.label_files import head_of, split_of_folder
from condetr.data.tools.labels import LabeledImage, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.data.tools.shapes import (
    Point,
    Shape,
    box_around,
    bytes_of_base64,
    outlined,
    painted,
    patch_of_png,
    polygon_of,
)
from condetr.files.json_reading import read_json
from condetr.images.coco_labels.fields import FieldError, SegmentationError, mapping_of, number_of
from condetr.images.file_endings import has_image_ending
from condetr.images.masks.polygons import mask_of_polygons
from condetr.images.sizes import HeightWidth

NAME = "supervisely"
_DEEPEST = 5  # project/dataset/datasets/dataset/ann
_LARGEST = 2**28  # bytes of an unpacked bitmap
_NO_OBJECTS = ("point", "line", "polyline", "multichannel_bitmap", "point_cloud")


def supervisely_in(folder: Path) -> Layout | None:
    """The Supervisely project in a folder, if it is one."""
    meta = folder / "meta.json"
    if not is_file(meta) or b'"classes"' not in head_of(meta):
        return None
    splits: dict[str, list[Path]] = {}
    for parent in folders_below(folder, deepest=_DEEPEST):
        if parent.name == "ann":
            splits.setdefault(split_of_folder(parent, folder) or "all", []).extend(with_ending(parent, ".json"))
    if not splits:
        return None
    return tool_layout(NAME, folder, list(splits), lambda: _labels_of(meta, splits), _shape_of, one_an_image=True)


def _labels_of(meta: Path, files: Mapping[str, list[Path]]) -> ToolLabels:
    content = read_json(meta)
    classes = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(classes, list):
        raise AnnotationError(f"is {short_repr(classes)}, expected a list", source=meta, item="classes")
    titles = [each.get("title") for each in classes if isinstance(each, Mapping)]
    splits = {split: SplitLabels() for split in files}
    for split, paths in files.items():
        for path in paths:
            with splits[split].report.at(path):
                splits[split].images.append(_image_of(path))
    return ToolLabels(classes_of([title for title in titles if isinstance(title, str) and title]), splits)


def _image_of(path: Path) -> LabeledImage:
    try:
        content = read_json(path)
    except CondetrError as error:
        raise DataProblem(ProblemKind.BAD_LABELS, error.reason) from error
    if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
        raise DataProblem(ProblemKind.BAD_LABELS, "has no list of objects")
    size = content.get("size")
    stated = (size.get("width"), size.get("height")) if isinstance(size, Mapping) else None
    name = path.stem if has_image_ending(path.stem) else _beside(path)
    return LabeledImage(f"../img/{name}", path, None, content["objects"], stated, path.parent.parent.name)


def _beside(path: Path) -> str:
    """The image of a label file that is named without its ending, as old exports are."""
    images = (path.parent.parent / "img").glob(f"{path.stem}.*")
    return next((image.name for image in sorted(images) if has_image_ending(image)), path.stem)


def _shape_of(record: Any, size: HeightWidth, location: Location) -> Shape | None:
    record = mapping_of(record)
    name, kind = record.get("classTitle"), record.get("geometryType")
    kind = kind or ("bitmap" if record.get("bitmap") else "polygon")
    if not isinstance(name, str) or not name:
        raise DataProblem(ProblemKind.NO_CLASS, f"is a {short_repr(kind)} without a class")
    if kind in _NO_OBJECTS:
        raise DataProblem(ProblemKind.NO_OBJECT, f"is a {kind} ({short_repr(name)})")
    if record.get("tags"):
        location.add(ProblemKind.ATTRIBUTES, f"has {len(record['tags'])} tags")
    if kind in ("bitmap", "alpha_mask"):
        return _bitmap(mapping_of(record.get("bitmap")), name, size)
    if kind == "graph":
        nodes = mapping_of(record.get("nodes")).values()
        points = [_point(mapping_of(node).get("loc")) for node in nodes]
        location.add(ProblemKind.BOX_OF_KEYPOINTS, f"is a graph of {len(points)} points, whose box is used")
        return Shape(name, box_around(points))
    if kind == "cuboid":
        location.add(ProblemKind.BOX_OF_OUTLINE, "is a cuboid, whose box is used")
        return Shape(name, box_around(_points(record.get("points"))))
    parts = mapping_of(record.get("points"))
    points, holes = _points(parts.get("exterior")), parts.get("interior") or []
    if kind == "rectangle":
        return Shape(name, box_around(points))
    if kind == "polygon" and not holes:
        return outlined(name, points, location)
    if kind == "polygon":
        return _with_holes(outlined(name, points, location), [_points(hole) for hole in holes], size)
    raise DataProblem(ProblemKind.NO_OBJECT, f"is a {short_repr(kind)} ({short_repr(name)})")


def _bitmap(bitmap: Mapping[str, Any], name: str, size: HeightWidth) -> Shape:
    left, top = _point(bitmap.get("origin"))
    packed = zlib.decompressobj()
    try:
        content = packed.decompress(bytes_of_base64(bitmap.get("data"), "bitmap"), _LARGEST)
    except zlib.error as error:
        raise SegmentationError(f"has a bitmap that cannot be unpacked: {error}") from error
    return painted(name, patch_of_png(content, "bitmap"), int(left), int(top), size)


def _with_holes(shape: Shape, holes: list[list[Point]], size: HeightWidth) -> Shape:
    """The shape without the pixels of its holes, which COCO's polygons cannot state."""
    try:
        pixels = mask_of_polygons(shape.segmentation, size)
        for hole in holes:
            pixels &= ~mask_of_polygons(polygon_of(hole), size)
    except ValueError as error:
        raise SegmentationError(f"has an unusable outline: {error}") from error
    return painted(shape.name, np.asarray(pixels), 0, 0, size)


def _points(value: object) -> list[Point]:
    if not isinstance(value, list):
        raise FieldError(f"has points {short_repr(value)}, expected pairs of numbers")
    return [_point(point) for point in value]


def _point(value: object) -> Point:
    if not isinstance(value, list) or len(value) != 2:
        raise FieldError(f"has the point {short_repr(value)}, expected two numbers")
    return number_of(value[0], "points"), number_of(value[1], "points")


FORMAT = ReadableFormat(
    NAME,
    "Supervisely",
    "`meta.json` with `ann/*.json` in each dataset; datasets named after splits are splits",
    "`img/` beside `ann/`",
    "bitmaps and polygons, with their holes",
    supervisely_in,
)
