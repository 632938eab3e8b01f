"""DOTA's labels of aerial images (https://captain-whu.github.io/DOTA): `labelTxt/*.txt`, a line an object.

A line is the eight coordinates of an oriented box in pixels, its class, and whether it is difficult. The first lines
may name the source of the image and the size of a pixel on the ground.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.label_files import labels_of
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.tools.label_files import files_by_split, head_of, image_named_after
from condetr.data.tools.labels import LabeledImage, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.data.tools.shapes import Shape, box_around, oriented, polygon_of
from condetr.files.text import lines_of
from condetr.images.sizes import HeightWidth

NAME = "dota"
_CORNERS = 8  # numbers
_HEADERS = ("imagesource:", "gsd:")
_FOLDERS = ("images", "image", "img", "JPEGImages")


def dota_in(folder: Path) -> Layout | None:
    """The DOTA labels of a folder, if there are any."""
    files = files_by_split(folder, ".txt", is_dota_file, one_an_image=True, whole_folders=True)
    if not files:
        return None
    return tool_layout(NAME, folder, list(files), partial(_labels_of, folder, files), _shape_of, one_an_image=True)


def is_dota_file(path: Path) -> bool:
    """Whether the first line that is no header has eight numbers, a class, and perhaps a difficulty."""
    lines = head_of(path).decode("utf-8", "replace").splitlines()
    first = next((line for line in lines if line.strip() and not line.lower().startswith(_HEADERS)), "")
    words = first.split()
    return len(words) in (_CORNERS + 1, _CORNERS + 2) and _has_corners(words) and not _is_number(words[_CORNERS])


def _labels_of(folder: Path, files: Mapping[str, list[Path]]) -> ToolLabels:
    splits = {split: SplitLabels() for split in files}
    names = set[str]()
    for split, paths in files.items():
        for path in paths:
            with splits[split].report.at(path):
                lines = [line.split() for line in lines_of(labels_of(path)) if not line.lower().startswith(_HEADERS)]
                records = [words for words in lines if words]
                names |= {words[_CORNERS] for words in records if len(words) > _CORNERS}
                image = image_named_after(path, folder, _FOLDERS)
                splits[split].images.append(LabeledImage(image, path, None, records))
    return ToolLabels(classes_of(sorted(names)), splits)


def _shape_of(words: Sequence[str], size: HeightWidth, location: Location) -> Shape | None:  # noqa: ARG001  a ReadShape
    line = " ".join(words)
    if len(words) <= _CORNERS or not _has_corners(words):
        raise DataProblem(ProblemKind.BAD_FIELD, f"{short_repr(line)} is no eight numbers and a class")
    numbers = [float(word) for word in words[:_CORNERS]]
    points, name = list(zip(numbers[::2], numbers[1::2], strict=True)), words[_CORNERS]
    upright = len(set(numbers[::2])) == len(set(numbers[1::2])) == len(set(points)) // 2 == 2
    shape = Shape(name, box_around(points), polygon_of(points)) if upright else oriented(name, points, location)
    if words[_CORNERS + 1 :] and words[_CORNERS + 1] != "0":
        location.add(ProblemKind.DIFFICULT, "is marked as difficult")
        return replace(shape, marks=("difficult",))
    return shape


def _has_corners(words: Sequence[str]) -> bool:
    return all(map(_is_number, words[:_CORNERS]))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


FORMAT = ReadableFormat(
    NAME,
    "DOTA",
    "`labelTxt/*.txt` of eight coordinates and a class; enclosing boxes of the oriented ones",
    "`images/` beside the labels, by their stem",
    "the oriented boxes",
    dota_in,
)
