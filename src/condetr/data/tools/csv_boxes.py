"""Boxes in a CSV file, a row an object, as Roboflow, VoTT, TensorFlow's tutorials and Kaggle write them.

The first line names the columns: of the image, of the class, and of the box as corners, as x, y, width and height, or
as a list in one column; files of makesense.ai and keras-retinanet may have no such line. Rows without a box are images
without objects.
"""

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.tools.csv_rows import rows_of
from condetr.data.tools.label_files import ToolFiles, head_of
from condetr.data.tools.labels import LabeledImage, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.data.tools.object_lines import is_number
from condetr.data.tools.open_images import is_box_file
from condetr.data.tools.shapes import Shape
from condetr.images.coco_labels.fields import FieldError, as_float
from condetr.images.file_endings import has_image_ending
from condetr.images.sizes import HeightWidth

NAME = "csv"
_ONE_CLASS = "object"
_IMAGES = ("filename", "file_name", "image", "image_name", "image_path", "path", "img", "image_id", "file")
_CLASSES = ("class", "class_name", "label", "label_name", "category", "category_name", "name", "object")
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
_SIDES = (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("bbox_x", "bbox_y", "bbox_width", "bbox_height"))
_LISTS = ("bbox", "box")
_DELIMITERS = (",", ";", "\t")
_WITHOUT_NAMES = (
    ("label", "x", "y", "width", "height", "image", "image_width", "image_height"),  # makesense.ai
    ("image", "x1", "y1", "x2", "y2", "label"),  # keras-retinanet
)


@dataclass(frozen=True)
class _Columns:
    """Names of columns: four of the box, or one that holds all; ``names`` of all, where the file has none."""

    image: str
    label: str | None
    box: Sequence[str]
    corners: bool
    delimiter: str
    names: Sequence[str] | None = None


def is_csv_of_boxes(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and not is_box_file(path) and _columns_in(path) is not None


def _columns_in(path: Path) -> _Columns | None:
    first = re.split(rb"[\r\n]", head_of(path), maxsplit=1)[0].decode("utf-8", "replace")
    for delimiter in _DELIMITERS:
        fields = [field.strip() for field in next(csv.reader([first], delimiter=delimiter), [])]
        names = next((names for names in _WITHOUT_NAMES if _fits(fields, names)), None)
        columns = _columns_of(names or [field.lstrip("#") for field in fields], delimiter)
        if columns is not None:
            return replace(columns, names=names)
    return None


def _fits(fields: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the fields of a line are an image, a class, numbers, and nothing else, in the order of these names."""
    if len(fields) != len(names):
        return False
    table = dict(zip(names, fields, strict=True))
    numbers = [table[name] for name in names if name not in ("image", "label")]
    is_box = bool(table["label"]) and all(map(is_number, numbers))
    return has_image_ending(table["image"]) and (is_box or not any((table["label"], *numbers)))


def _columns_of(names: Sequence[str], delimiter: str) -> _Columns | None:
    own = {name.lower(): name for name in names}
    image = next((own[name] for name in _IMAGES if name in own), None)
    label = next((own[name] for name in _CLASSES if name in own), None)
    if image is None:
        return None
    for corners, choices in ((True, _CORNERS), (False, _SIDES), (False, [(name,) for name in _LISTS])):
        for choice in choices:
            if own.keys() >= set(choice):
                return _Columns(image, label, [own[name] for name in choice], corners, delimiter)
    return None


def _layout(folder: Path, files: dict[str, list[Path]]) -> Layout:
    return tool_layout(NAME, folder, list(files), partial(_labels_of, files), _shape_of)


def _labels_of(files: Mapping[str, list[Path]]) -> ToolLabels:
    splits = {split: SplitLabels() for split in files}
    used = set[str]()
    for split, paths in files.items():
        for path in paths:
            columns = _columns_in(path)
            assert columns is not None, "it was found by them"
            images: dict[str, list[tuple[str, list[str], bool]]] = {}
            for _, row in rows_of(path, delimiter=columns.delimiter, names=columns.names):
                of_image = images.setdefault(row.get(columns.image, ""), [])
                sides = [row.get(column, "").strip() for column in columns.box]
                if columns.delimiter == ";" and len(sides) > 1:
                    sides = [side.replace(",", ".") for side in sides]  # a decimal comma
                if any(sides):
                    name = _ONE_CLASS if columns.label is None else row.get(columns.label, "").strip()
                    used.add(name)
                    of_image.append((name, sides, columns.corners))
            if columns.label is None and any(images.values()):
                message = f"has no column of classes: all are {_ONE_CLASS!r}"
                splits[split].report.add(ProblemKind.ONE_CLASS, message, source=path)
            splits[split].images.extend(
                LabeledImage(name, path, f"image {short_repr(name)}", rows) for name, rows in images.items()
            )
    return ToolLabels(classes_of(sorted(used - {""})), splits)


def _shape_of(
    record: tuple[str, list[str], bool],
    size: HeightWidth,  # noqa: ARG001  a ReadShape
    location: Location,  # noqa: ARG001
) -> Shape | None:
    name, sides, corners = record
    if not name:
        raise DataProblem(ProblemKind.NO_CLASS, f"has a box {short_repr(sides)} without a class")
    x, y, third, fourth = _listed(sides[0]) if len(sides) == 1 else map(_number, sides)
    return Shape(name, (x, y, third, fourth) if corners else (x, y, x + third, y + fourth))


def _listed(text: str) -> list[float]:
    try:
        numbers = [as_float(number) for number in json.loads(text)]
    except (TypeError, ValueError, RecursionError):
        numbers = []
    known = [number for number in numbers if number is not None]
    if len(known) != 4 or len(numbers) != 4:
        raise FieldError(f"has the box {short_repr(text)}, expected a list of four numbers")
    return known


def _number(text: str) -> float:
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        raise FieldError(f"has {short_repr(text)} in its box, expected a number") from None


_FILES = ToolFiles((".csv",), is_csv_of_boxes, _layout)
FORMAT = ReadableFormat(
    NAME,
    "CSV of boxes",
    "`*.csv` with columns such as `filename`, `class`, `xmin`, `ymin`, `xmax`, `ymax`; or `image_id`, `bbox`; also with"
    " `;`, and without names as of makesense.ai and keras-retinanet",
    "anywhere below, by name or stem",
    "none",
    _FILES.in_folder,
    _FILES.of_file,
)
