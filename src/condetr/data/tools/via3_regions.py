"""Projects of VGG Image Annotator 3, as regions of version 2.

A view is an image; metadata of a view are regions (``xy``: a shape's number, and its sides) with values of attributes.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import Location
from condetr.data.tools.labels import LabeledImage
from condetr.images.coco_labels.fields import FieldError, mapping_of, number_of, required

BEGINNING = re.compile(rb'\{\s*"project"\s*:\s*\{\s*"pid"')
_SHAPES: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("point", ("cx", "cy")),
    2: ("rect", ("x", "y", "width", "height")),
    3: ("circle", ("cx", "cy", "r")),
    4: ("ellipse", ("cx", "cy", "rx", "ry")),
}
_OF_POINTS = {5: "polyline", 6: "polyline", 7: "polygon"}
_EXTREME_POINTS = (8, 9)  # of a rectangle, of a circle
_URI_OF_FILE = 3  # where `src` is a path
_CHECKBOX = 2


def images_of(content: Mapping[str, Any], path: Path, location: Location) -> Iterator[LabeledImage]:
    """The images of a project, each with its regions as version 2 writes them."""
    files, attributes = mapping_of(required(content, "file")), mapping_of(content.get("attribute") or {})
    regions: dict[str, list[Any]] = {view: [] for view in mapping_of(required(content, "view"))}
    for key, value in mapping_of(content.get("metadata") or {}).items():
        location.item = f"metadata {short_repr(key)}"
        with location:
            record = mapping_of(value)
            if record.get("vid") not in regions:
                raise FieldError(f"has vid {short_repr(record.get('vid'))}, which is no view")
            regions[record["vid"]].append(_region_of(record, attributes))
    for view, records in regions.items():
        location.item = f"view {short_repr(view)}"
        with location:
            of_view = mapping_of(content["view"][view]).get("fid_list")
            if not isinstance(of_view, list) or len(of_view) != 1 or str(of_view[0]) not in files:
                raise FieldError(f"has fid_list {short_repr(of_view)}, expected one file of the project")
            file = mapping_of(files[str(of_view[0])])
            name = str(file.get("fname", ""))
            stored = file.get("src") if file.get("loc") == _URI_OF_FILE else None
            yield LabeledImage(stored or name, path, f"image {short_repr(name)}", records, other_name=name)


def _region_of(record: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    values = mapping_of(record.get("av") or {})
    named = dict(_value_of(attributes.get(key), key, value) for key, value in values.items())
    return {"shape_attributes": _shape_of(record.get("xy")), "region_attributes": named}


def _value_of(attribute: object, key: str, value: object) -> tuple[str, Any]:
    """The name of an attribute and its value: text, or for a checkbox, which options are chosen."""
    table = attribute if isinstance(attribute, Mapping) else {}
    options = table.get("options")
    name, options = str(table.get("aname", key)), options if isinstance(options, Mapping) else {}
    if table.get("type") == _CHECKBOX and isinstance(value, str):
        return name, {str(options.get(option, option)): True for option in value.split(",") if option}
    return name, options.get(value, value) if isinstance(value, str) else value


def _shape_of(xy: object) -> dict[str, Any]:
    if not isinstance(xy, list):
        raise FieldError(f"has xy {short_repr(xy)}, expected a list")
    if not xy:
        return {"name": "label of the whole image"}
    kind, sides = xy[0], [number_of(side, "xy") for side in xy[1:]]
    if kind in _SHAPES:
        name, keys = _SHAPES[kind]
        if len(sides) != len(keys):
            raise FieldError(f"has xy {short_repr(xy)}, expected {len(keys)} numbers for a {name}")
        return {"name": name, **dict(zip(keys, sides, strict=True))}
    if len(sides) % 2:
        raise FieldError(f"has xy {short_repr(xy)}, expected pairs of numbers after the first")
    xs, ys = sides[::2], sides[1::2]
    if kind in _EXTREME_POINTS and xs:
        left, top = min(xs), min(ys)
        return {"name": "rect", "x": left, "y": top, "width": max(xs) - left, "height": max(ys) - top}
    return {"name": _OF_POINTS.get(kind, f"shape {short_repr(kind)}"), "all_points_x": xs, "all_points_y": ys}
