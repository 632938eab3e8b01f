"""KITTI's object labels (https://www.cvlibs.net/datasets/kitti): `label_2/*.txt`, a line an object, boxes in pixels.

A line is a type, how truncated and occluded it is, an angle, the box (left, top, right, bottom), seven numbers of the
box in space, and perhaps a score. `DontCare` marks regions in which nothing is labeled.
"""

from collections.abc import Sequence
from pathlib import Path

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.tools.label_files import head_of
from condetr.data.tools.object_lines import LineFormat, is_number, lines_in
from condetr.data.tools.shapes import Shape
from condetr.images.sizes import HeightWidth

NAME = "kitti"
_COLUMNS = (15, 16)  # without and with a score
_BOX = slice(4, 8)
_IGNORED = "dontcare"
_FOLDERS = {"label_2": ("image_2",), "label_02": ("image_02",), "label_3": ("image_3",)}
_OTHER_FOLDERS = ("images", "image", "data", "image_2")


def kitti_in(folder: Path) -> Layout | None:
    """The KITTI labels of a folder, if there are any."""
    return lines_in(folder, _LINES)


def is_kitti_file(path: Path) -> bool:
    """Whether the first line is a type and fourteen numbers, or fifteen."""
    words = head_of(path).split(b"\n", 1)[0].split()
    if len(words) not in _COLUMNS or is_number(words[0]):
        return False
    return all(map(is_number, words[1:]))


def _is_object(_: str) -> bool:
    return True  # there are no headers


def _class_of(line: str) -> str | None:
    name = line.split()[0]
    return None if name.lower() == _IGNORED else name


def _image_folders(label_file: Path) -> Sequence[str]:
    return _FOLDERS.get(label_file.parent.name, _OTHER_FOLDERS)


def _shape_of(line: str, size: HeightWidth, location: Location) -> Shape | None:  # noqa: ARG001  a ReadShape
    words = line.split()
    if words[0].lower() == _IGNORED:
        raise DataProblem(ProblemKind.IGNORED_REGION, f"is {words[0]} at {short_repr(' '.join(words[_BOX]))}")
    try:
        truncated, occluded, _, x1, y1, x2, y2 = map(float, words[1:8])
    except ValueError:
        message = f"{short_repr(line)} is no type with at least 7 numbers"
        raise DataProblem(ProblemKind.BAD_FIELD, message) from None
    if len(words) == _COLUMNS[1]:
        location.add(ProblemKind.SCORE, "has a score, as predictions have; the score is ignored")
    marks = (*(("truncated",) if truncated > 0 else ()), *(("occluded",) if occluded in (1, 2) else ()))
    return Shape(words[0], (x1, y1, x2, y2), marks=marks)


_LINES = LineFormat(NAME, is_kitti_file, _is_object, _class_of, _image_folders, _shape_of)
FORMAT = ReadableFormat(
    NAME,
    "KITTI",
    "`label_2/*.txt` or `labels/*.txt`, of 15 numbers and words; `DontCare` is left out",
    "`image_2/`, `images/` or `data/` beside the labels, by their stem",
    "none",
    kitti_in,
)
