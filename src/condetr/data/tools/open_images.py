"""Open Images (https://storage.googleapis.com/openimages/web): boxes in CSV, as fractions of the image.

Images are named by their id; classes by an id such as `/m/01g317`, which another CSV file describes. Only images that
are there are read: the files list millions.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from condetr.core.errors import AnnotationError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.disk import folders_below, with_ending
from condetr.data.discovery.image_paths import images_in
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.tools.csv_rows import rows_of
from condetr.data.tools.label_files import ToolFiles, head_of
from condetr.data.tools.labels import LabeledImage, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.data.tools.shapes import Shape
from condetr.files.text import lines_of, text_of
from condetr.images.sizes import HeightWidth

NAME = "open-images"
_EDGES = ("XMin", "YMin", "XMax", "YMax")
_COLUMNS = frozenset({"ImageID", "LabelName", *_EDGES})
_DESCRIPTIONS = re.compile(rb"LabelName,DisplayName|/[mgt]/\w+,[^,\r\n]+\r?\n")
_MARKS = {"IsTruncated": "truncated", "IsOccluded": "occluded"}
_FARTHEST = 2.0  # a coordinate beyond it is in pixels, or nonsense
_ATTRIBUTES = ("IsDepiction", "IsInside")


def is_box_file(path: Path) -> bool:
    if path.suffix.lower() != ".csv":
        return False
    first = re.split(rb"[\r\n]", head_of(path), maxsplit=1)[0]
    return {name.strip() for name in first.decode("utf-8", "replace").split(",")} >= _COLUMNS


def _layout(folder: Path, files: dict[str, list[Path]]) -> Layout:
    labels = partial(_labels_of, folder, files)
    return tool_layout(NAME, folder, list(files), labels, _shape_of, one_an_image=True)


def _labels_of(folder: Path, files: Mapping[str, list[Path]]) -> ToolLabels:
    there = {path.stem for path in images_in(folder)}
    names = _descriptions(folder)
    splits = {split: SplitLabels() for split in files}
    used = dict[str, None]()
    for split, paths in files.items():
        part, absent = splits[split], dict[str, None]()
        images: dict[str, list[dict[str, str]]] = {}
        for path in paths:
            for row in _rows_of(path):
                image_id = row["ImageID"]
                if image_id not in there:
                    absent[image_id] = None
                    continue
                used[row["LabelName"]] = None
                images.setdefault(image_id, []).append(row | {"name": names.get(row["LabelName"], row["LabelName"])})
        part.images.extend(
            LabeledImage(image_id, paths[0], f"image {image_id}", rows, folder=split)
            for image_id, rows in images.items()
        )
        if absent:
            message = f"{len(absent)} images are not below {folder}, such as {next(iter(absent))}"
            part.report.add(ProblemKind.MISSING_PICTURE, message, source=paths[0])
    order = [*(label for label in names if label in used), *sorted(used.keys() - names.keys())]
    return ToolLabels(classes_of([names.get(label, label) for label in order]), splits)


def _rows_of(path: Path) -> Iterator[dict[str, str]]:
    for number, row in rows_of(path):
        if not row.get("ImageID") or not row.get("LabelName"):
            raise AnnotationError("has no ImageID or LabelName", source=path, item=f"line {number}")
        yield row


def _descriptions(folder: Path) -> dict[str, str]:
    """The names of classes by their ids, from the first file in or above the folder that has some."""
    tops = [*folders_below(folder), folder.parent]
    for path in (path for top in tops for path in with_ending(top, ".csv")):
        if _DESCRIPTIONS.match(head_of(path)):
            lines = [line.split(",", 1) for line in lines_of(text_of(path))]
            pairs = (line for line in lines if len(line) == 2 and line[0].startswith("/"))
            return {label.strip(): name.strip().strip('"') for label, name in pairs}
    return {}


def _shape_of(row: Mapping[str, str], size: HeightWidth, location: Location) -> Shape | None:
    height, width = size
    x1, y1, x2, y2 = (_fraction(row, edge) for edge in _EDGES)
    flags = [key for key in _ATTRIBUTES if row.get(key) == "1"]
    if flags:
        location.add(ProblemKind.ATTRIBUTES, f"has {', '.join(flags)}")
    marks = tuple(mark for key, mark in _MARKS.items() if row.get(key) == "1")
    corners = x1 * width, y1 * height, x2 * width, y2 * height
    return Shape(row["name"], corners, crowd=row.get("IsGroupOf") == "1", marks=marks)


def _fraction(row: Mapping[str, str], key: str) -> float:
    try:
        number = float(row[key])
    except (KeyError, ValueError):
        raise DataProblem(ProblemKind.BAD_FIELD, f"has {key} {short_repr(row.get(key))}, expected a number") from None
    if abs(number) > _FARTHEST:
        message = f"has {key} {number:g}, which is no fraction of the image"
        raise DataProblem(ProblemKind.NOT_NORMALISED, message)
    return number


_FILES = ToolFiles((".csv",), is_box_file, _layout)
FORMAT = ReadableFormat(
    NAME,
    "Open Images",
    "`*-annotations-bbox.csv`, with the class descriptions as CSV; groups (`IsGroupOf`) are crowds",
    "anywhere below, by their id; boxes of images that are not there are counted once",
    "none",
    _FILES.in_folder,
    _FILES.of_file,
)
