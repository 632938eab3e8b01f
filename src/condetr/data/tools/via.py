"""VGG Image Annotator (https://www.robots.ox.ac.uk/~vgg/software/via): a project, or regions in JSON or CSV.

Coordinates are in pixels. Regions have attributes that the labeler defines; one of them is the class: the first of
these names that there is, else the one that most regions have.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.tools.csv_rows import rows_of
from condetr.data.tools.label_files import ToolFiles, head_of
from condetr.data.tools.labels import LabeledImage, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.data.tools.shapes import Shape, ellipse, outlined
from condetr.data.tools.via3_regions import BEGINNING as VERSION_3
from condetr.data.tools.via3_regions import images_of
from condetr.files.json_reading import read_json
from condetr.images.coco_labels.fields import FieldError, mapping_of, number_of
from condetr.images.sizes import HeightWidth

NAME = "via"
_CLASS_NAMES = ("class", "label", "name", "type", "category", "object", "class_name", "object_name", "species")
_ONE_CLASS = "object"
_JSON = re.compile(rb'\{\s*"(_via_\w+"\s*:|[^"]*"\s*:\s*\{\s*"(filename|fileref|size|regions|file_attributes)")')
_KEYS = re.compile(rb'"(_via_img_metadata|regions)"\s*:')
_CSV = re.compile(rb'"?#?filename"?,"?file_size"?,"?file_attributes"?,"?region_count"?,')


def is_via_file(path: Path) -> bool:
    head = head_of(path)
    if path.suffix.lower() == ".csv":
        return _CSV.match(head) is not None
    if VERSION_3.match(head) is not None:
        return True
    return _JSON.match(head) is not None and (_KEYS.search(head) is not None or b"_via_settings" in head)


def _layout(folder: Path, files: dict[str, list[Path]]) -> Layout:
    return tool_layout(NAME, folder, list(files), lambda: _labels_of(files), _shape_of)


def _labels_of(files: Mapping[str, list[Path]]) -> ToolLabels:
    splits = {split: SplitLabels() for split in files}
    for split, paths in files.items():
        for path in paths:
            read = _rows if path.suffix.lower() == ".csv" else _entries
            splits[split].images.extend(read(path, splits[split].report.at(path)))
    regions = [region for part in splits.values() for image in part.images for region in image.records]
    attribute = _class_attribute(map(_attributes_of, regions))
    for split, part in splits.items():
        if attribute is None and any(image.records for image in part.images):
            message = f"no region has an attribute that could be its class: all are {_ONE_CLASS!r}"
            part.report.add(ProblemKind.ONE_CLASS, message, source=files[split][0])
        part.images[:] = [_named(image, attribute) for image in part.images]
    names = {name for part in splits.values() for image in part.images for name, _ in image.records if name}
    return ToolLabels(classes_of(sorted(names)), splits)


def _entries(path: Path, location: Location) -> Iterator[LabeledImage]:
    """The images of a JSON file."""
    content = mapping_of(read_json(path))
    if "project" in content and "view" in content:
        with location:
            yield from images_of(content, path, location)
        return
    table = content.get("_via_img_metadata", content)
    for key, entry in table.items() if isinstance(table, Mapping) else ():
        location.item = f"image {short_repr(key)}"
        with location:
            record = mapping_of(entry)
            regions = record.get("regions") or []
            records = list(regions.values()) if isinstance(regions, Mapping) else regions
            if not isinstance(records, list):
                raise FieldError(f"has regions {short_repr(regions)}, expected a list")
            yield LabeledImage(str(record.get("filename", "")), path, location.item, records)


def _rows(path: Path, location: Location) -> Iterator[LabeledImage]:
    """The images of a CSV file, which has a row for each region, or one for an image without any."""
    regions: dict[str, list[Any]] = {}
    for number, row in rows_of(path):
        location.item = f"line {number}"
        with location:
            of_image = regions.setdefault(row.get("filename", ""), [])
            shape = _json_of(row, "region_shape_attributes")
            if shape:
                of_image.append({"shape_attributes": shape, "region_attributes": _json_of(row, "region_attributes")})
    for name, records in regions.items():
        yield LabeledImage(name, path, f"image {short_repr(name)}", records)


def _json_of(row: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(row.get(key) or "{}")
    except (ValueError, RecursionError):
        raise FieldError(f"has {key} {short_repr(row.get(key))}, expected JSON") from None


def _attributes_of(region: object) -> dict[str, list[str]]:
    """The attributes of a region that have values; a checkbox may have several."""
    attributes = region.get("region_attributes") if isinstance(region, Mapping) else None
    found = {}
    for key, value in attributes.items() if isinstance(attributes, Mapping) else ():
        if isinstance(value, Mapping):
            values = [str(option) for option, chosen in value.items() if chosen]
        else:
            values = [str(value).strip()] if value not in (None, "") else []
        if values and values[0]:
            found[key] = values
    return found


def _class_attribute(attributes: Iterable[Mapping[str, list[str]]]) -> str | None:
    """The attribute that is the class; None if no region has any."""
    counts = Counter(key for each in attributes for key in each)
    lower = {key.strip().lower(): key for key in counts}
    named = next((lower[name] for name in _CLASS_NAMES if name in lower), None)
    return named or next((key for key, _ in counts.most_common(1)), None)


def _named(image: LabeledImage, attribute: str | None) -> LabeledImage:
    """The image with the name of the class before each region; "" if it has none."""
    names = (_attributes_of(region).get(attribute or "", [""])[0] for region in image.records)
    pairs = [
        (_ONE_CLASS if attribute is None else name, region) for name, region in zip(names, image.records, strict=True)
    ]
    return replace(image, records=pairs)


def _shape_of(record: tuple[str, Any], size: HeightWidth, location: Location) -> Shape | None:  # noqa: ARG001  a ReadShape
    name, region = record[0], mapping_of(record[1])
    shape = mapping_of(region.get("shape_attributes"))
    kind = shape.get("name")
    if kind in ("point", "polyline"):
        raise DataProblem(ProblemKind.NO_OBJECT, f"is a {kind} ({short_repr(name)})")
    if not name:
        raise DataProblem(ProblemKind.NO_CLASS, f"is a {short_repr(kind)} without a class")
    attributes = _attributes_of(region)
    if len(attributes) > 1:
        location.add(ProblemKind.ATTRIBUTES, f"has the attributes {short_repr(sorted(attributes))}")
    if any(len(values) > 1 and values[0] == name for values in attributes.values()):
        location.add(ProblemKind.SEVERAL_CLASSES, f"has the attributes {short_repr(attributes)}")
    if kind == "rect":
        x, y, width, height = (number_of(shape.get(key), key) for key in ("x", "y", "width", "height"))
        return Shape(name, (x, y, x + width, y + height))
    if kind in ("circle", "ellipse"):
        x, y = (number_of(shape.get(key), key) for key in ("cx", "cy"))
        radii = [number_of(shape.get(key), key) for key in (("r", "r") if kind == "circle" else ("rx", "ry"))]
        degrees = math.degrees(number_of(shape.get("theta") or 0, "theta"))
        return ellipse(name, (x, y), (radii[0], radii[1]), degrees, location)
    if kind == "polygon":
        xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
            raise FieldError(f"has points {short_repr(xs)} and {short_repr(ys)}, expected two lists of one length")
        points = [(number_of(x, "all_points_x"), number_of(y, "all_points_y")) for x, y in zip(xs, ys, strict=True)]
        return outlined(name, points, location)
    raise DataProblem(ProblemKind.NO_OBJECT, f"is a {short_repr(kind)} ({short_repr(name)})")


_FILES = ToolFiles((".json", ".csv"), is_via_file, _layout)
FORMAT = ReadableFormat(
    NAME,
    "VIA",
    "`*.json` or `*.csv` of VGG Image Annotator 1 to 3: a project or annotations",
    "anywhere below, by name",
    "outlines (polygons, circles, ellipses)",
    _FILES.in_folder,
    _FILES.of_file,
)
