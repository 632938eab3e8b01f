"""CVAT's own XML 1.1, for images and for video (https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/).

Boxes are corners in pixels. Masks are run lengths of the rows inside of a box. A track of a video has one shape a
frame; where it is `outside`, the object is not in the frame.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from condetr.core.errors import AnnotationError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.discovery.split_names import split_named
from condetr.data.tools.label_files import ToolFiles, head_of
from condetr.data.tools.labels import LabeledImage, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.data.tools.shapes import (
    Point,
    Shape,
    box_around,
    ellipse,
    oriented,
    outlined,
    painted,
    turned_rectangle,
)
from condetr.data.voc.strict_xml import starts_with, xml_of
from condetr.images.coco_labels.fields import FieldError, SegmentationError
from condetr.images.sizes import HeightWidth

NAME = "cvat"
_PARTS = re.compile(rb"<(version|meta|image|track)[\s/>]")
_MOST_PIXELS = 2**28  # of a mask
_LARGEST = 512 * 2**20  # bytes of the labels of a project
_SHAPES = frozenset({"box", "polygon", "ellipse", "mask", "cuboid", "skeleton", "points", "polyline", "tag"})
_EDGES = ("xtl", "ytl", "xbr", "ybr")
_CORNERS = [f"{side}{face}" for face in (1, 2) for side in ("tl", "bl", "tr", "br")]  # of a cuboid


class _Record(NamedTuple):
    shape: Element
    label: str | None  # of the shape or of its track


def is_cvat_file(path: Path) -> bool:
    return starts_with(path, "annotations") and _PARTS.search(head_of(path)) is not None


def cvat_files(folder: Path, files: dict[str, list[Path]]) -> Layout:
    """How to read XML files, by split; CVAT's subsets are splits, too."""
    report = DataReport()
    labels = _labels_of(files, report)
    layout = tool_layout(NAME, folder, list(labels.splits), lambda: labels, _shape_of)
    layout.report.merge(report)
    return layout


def _labels_of(files: dict[str, list[Path]], report: DataReport) -> ToolLabels:
    splits: dict[str, SplitLabels] = {}
    declared, used = dict[str, None](), set[str]()
    for split, paths in files.items():
        for path in paths:
            with report.at(path) as location:
                content = _content_of(path)
                declared |= dict.fromkeys(_declared_in(content))
                for subset, image in _images_in(content, path, location):
                    used |= {record.label for record in image.records if record.label}
                    own = split_named(subset) or subset.lower()
                    name = split if own in ("", "default") else own
                    splits.setdefault(name, SplitLabels()).images.append(image)
    splits = splits or {split: SplitLabels() for split in files}
    return ToolLabels(classes_of(list(declared) or sorted(used)), splits)


def _content_of(path: Path) -> Element:
    try:
        return xml_of(path, largest=_LARGEST)
    except DataProblem as problem:
        raise AnnotationError(str(problem), source=path) from problem


def _declared_in(content: Element) -> Iterator[str]:
    """Names of labels, without those of the parts of skeletons."""
    for label in content.iterfind("meta//labels/label"):
        name = (label.findtext("name") or "").strip()
        if name and not label.findtext("parent"):
            yield name


def _images_in(content: Element, path: Path, location: Location) -> Iterator[tuple[str, LabeledImage]]:
    """Subset and labels of each image."""
    for image in content.iterfind("image"):
        name, subset = image.get("name", ""), image.get("subset", "")
        records = [_Record(shape, shape.get("label")) for shape in image]
        size = _whole(image.get("width")), _whole(image.get("height"))
        stated = None if size == (None, None) else size
        yield subset, LabeledImage(name, path, f"image {short_repr(name)}", records, stated, subset or None)
    frames: dict[int, list[_Record]] = {}
    for track in content.iterfind("track"):
        location.item = f"track {track.get('id')}"
        for shape in track:
            with location:
                frame = _whole(shape.get("frame"))
                if not isinstance(frame, int) or frame < 0:
                    raise DataProblem(ProblemKind.BAD_FIELD, f"has frame {short_repr(frame)}, expected a number")
                records = frames.setdefault(frame, [])
                if shape.get("outside") != "1":
                    records.append(_Record(shape, track.get("label")))
    location.item = None
    for frame, records in sorted(frames.items()):
        yield "", LabeledImage(f"frame_{frame:06d}", path, f"frame {frame}", records)


def _shape_of(record: _Record, size: HeightWidth, location: Location) -> Shape | None:
    element, name = record.shape, (record.label or "").strip()
    kind = element.tag
    if kind not in _SHAPES:
        raise DataProblem(
            ProblemKind.BAD_FIELD, f"is a {short_repr(kind)}, expected one of {', '.join(sorted(_SHAPES))}"
        )
    if kind in ("points", "polyline", "tag"):
        raise DataProblem(ProblemKind.NO_OBJECT, f"is a {kind} ({short_repr(name)})")
    if not name:
        raise DataProblem(ProblemKind.NO_CLASS, f"is a {kind} without a label")
    if element.find("attribute") is not None:
        names = [attribute.get("name") for attribute in element.iterfind("attribute")]
        location.add(ProblemKind.ATTRIBUTES, f"has the attributes {short_repr(names)}")
    shape = _mask(element, name, size) if kind == "mask" else _DRAWN[kind](element, name, location)
    return replace(shape, marks=("occluded",)) if element.get("occluded") == "1" else shape


def _box(element: Element, name: str, location: Location) -> Shape:
    x1, y1, x2, y2 = (_number(element, edge) for edge in _EDGES)
    degrees = _number(element, "rotation", default=0.0)
    if not degrees:
        return Shape(name, (x1, y1, x2, y2))
    center = (x1 + x2) / 2, (y1 + y2) / 2
    return oriented(name, turned_rectangle(x1, y1, x2 - x1, y2 - y1, degrees, center), location)


def _polygon(element: Element, name: str, location: Location) -> Shape:
    return outlined(name, _points(element), location)


def _ellipse(element: Element, name: str, location: Location) -> Shape:
    x, y, across, down = (_number(element, key) for key in ("cx", "cy", "rx", "ry"))
    return ellipse(name, (x, y), (across, down), _number(element, "rotation", default=0.0), location)


def _mask(element: Element, name: str, size: HeightWidth) -> Shape:
    left, top, width, height = (int(_number(element, key)) for key in ("left", "top", "width", "height"))
    text = element.get("rle") or ""
    try:
        counts = [int(word) for word in text.split(",")]
    except ValueError:
        raise SegmentationError(f"has the rle {short_repr(text)}, expected whole numbers") from None
    if min(counts) < 0 or min(width, height) < 1 or sum(counts) != width * height or width * height > _MOST_PIXELS:
        message = f"has an rle of {sum(counts)} pixels for a mask of {width}x{height}"
        raise SegmentationError(message)
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    return painted(name, pixels, left, top, size)


def _cuboid(element: Element, name: str, location: Location) -> Shape:
    corners = [(_number(element, f"x{corner}"), _number(element, f"y{corner}")) for corner in _CORNERS]
    location.add(ProblemKind.BOX_OF_OUTLINE, "is a cuboid, whose box is used")
    return Shape(name, box_around(corners))


def _skeleton(element: Element, name: str, location: Location) -> Shape:
    points = [point for part in element.iterfind("points") if part.get("outside") != "1" for point in _points(part)]
    location.add(ProblemKind.BOX_OF_KEYPOINTS, f"is a skeleton of {len(points)} points, whose box is used")
    return Shape(name, box_around(points))


_DRAWN: dict[str, Callable[[Element, str, Location], Shape]] = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "cuboid": _cuboid,
    "skeleton": _skeleton,
}


def _points(element: Element) -> list[Point]:
    text = element.get("points") or ""
    try:
        pairs = [pair.split(",") for pair in text.split(";") if pair.strip()]
        return [(float(x), float(y)) for x, y in pairs]
    except ValueError:
        raise FieldError(f"has points {short_repr(text)}, expected x,y;x,y;...") from None


def _number(element: Element, key: str, *, default: float | None = None) -> float:
    text = element.get(key)
    if text is None and default is not None:
        return default
    try:
        number = float(text or "")
    except ValueError:
        raise FieldError(f"has {key} {short_repr(text)}, expected a number") from None
    if not math.isfinite(number):
        raise DataProblem(ProblemKind.NOT_FINITE_BOX, f"has {key} {short_repr(text)}, which is not finite")
    return number


def _whole(text: str | None) -> object:
    try:
        return None if text is None else int(float(text))
    except (ValueError, OverflowError):
        return text


_FILES = ToolFiles((".xml",), is_cvat_file, cvat_files)
FORMAT = ReadableFormat(
    NAME,
    "CVAT XML 1.1",
    "`*.xml` of `<annotations>`, for images or video; subsets are splits",
    "anywhere below, by the end of the name; frames of a video as `frame_000012.png`",
    "masks and outlines (polygons, ellipses, boxes that are turned)",
    _FILES.in_folder,
    _FILES.of_file,
)
