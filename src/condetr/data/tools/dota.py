"""DOTA's labels of aerial images (https://captain-whu.github.io/DOTA): `labelTxt/*.txt`, a line an object.

A line is the eight coordinates of an oriented box in pixels, its class, and whether it is difficult. The first lines
may name the source of the image and the size of a pixel on the ground.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.tools.label_files import head_of
from condetr.data.tools.object_lines import LineFormat, is_number, lines_in
from condetr.data.tools.shapes import Shape, box_around, oriented, polygon_of
from condetr.images.sizes import HeightWidth

NAME = "dota"
_CORNERS = 8  # numbers
_HEADERS = ("imagesource:", "gsd:")
_FOLDERS = ("images", "image", "img", "JPEGImages")


def dota_in(folder: Path) -> Layout | None:
    """The DOTA labels of a folder, if there are any."""
    return lines_in(folder, _LINES)


def is_dota_file(path: Path) -> bool:
    """Whether the first line that is no header has eight numbers, a class, and perhaps a difficulty."""
    lines = head_of(path).decode("utf-8", "replace").splitlines()
    first = next((line for line in lines if line.strip() and _is_object(line)), "")
    words = first.split()
    return len(words) in (_CORNERS + 1, _CORNERS + 2) and _has_corners(words) and not is_number(words[_CORNERS])


def _is_object(line: str) -> bool:
    return not line.lower().startswith(_HEADERS)


def _class_of(line: str) -> str | None:
    words = line.split()
    return words[_CORNERS] if len(words) > _CORNERS else None


def _shape_of(line: str, size: HeightWidth, location: Location) -> Shape | None:  # noqa: ARG001  a ReadShape
    words = line.split()
    if len(words) <= _CORNERS or not _has_corners(words):
        raise DataProblem(ProblemKind.BAD_FIELD, f"{short_repr(' '.join(words))} is no eight numbers and a class")
    numbers = [float(word) for word in words[:_CORNERS]]
    points, name = list(zip(numbers[::2], numbers[1::2], strict=True)), words[_CORNERS]
    upright = len(set(numbers[::2])) == len(set(numbers[1::2])) == len(set(points)) // 2 == 2
    shape = Shape(name, box_around(points), polygon_of(points)) if upright else oriented(name, points, location)
    if words[_CORNERS + 1 :] and words[_CORNERS + 1] != "0":
        location.add(ProblemKind.DIFFICULT, "is marked as difficult")
        return replace(shape, marks=("difficult",))
    return shape


def _has_corners(words: Sequence[str]) -> bool:
    return all(map(is_number, words[:_CORNERS]))


_LINES = LineFormat(NAME, is_dota_file, _is_object, _class_of, lambda _: _FOLDERS, _shape_of)
FORMAT = ReadableFormat(
    NAME,
    "DOTA",
    "`labelTxt/*.txt` of eight coordinates and a class; enclosing boxes of the oriented ones",
    "`images/` beside the labels, by their stem",
    "the oriented boxes",
    dota_in,
)
