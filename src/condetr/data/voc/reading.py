"""Pascal VOC annotations: an XML file per image with the names and boxes of its objects.

VOC itself counts pixels from one and includes the last (its devkit, section 7.1.1), so that its left edge at 1 is
our 0. Tools that write the same format today count from zero. VOC's own files are recognized by their ``database``
field, and only their edges are moved.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from condetr.core.short_repr import short_repr
from condetr.data.box_clipping import clip_box, unclipped
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.discovery.disk import slashed
from condetr.data.discovery.image_paths import compare_size, is_image_of, measure_image
from condetr.data.discovery.label_files import image_stem, plain
from condetr.data.records import Dataset, Example, Object
from condetr.data.voc.strict_xml import xml_of
from condetr.files.inside import path_inside

_MARKS = ("truncated", "occluded", "difficult")
_EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class ImageIndex:
    """The images of a folder by their names without ending."""

    folder: Path
    by_stem: Mapping[str, Sequence[Path]]

    @cached_property
    def by_plain_stem(self) -> Mapping[str, Sequence[Path]]:
        """The same, however accents and letters are written."""
        table: defaultdict[str, list[Path]] = defaultdict(list)
        for stem, paths in self.by_stem.items():
            table[plain(unquote(stem))] += paths
        return table


def read_voc(label_files: Sequence[Path], images: ImageIndex, classes: Classes, *, split: str = "all") -> Dataset:
    """The images and objects of XML files.

    Args:
        label_files: absolute paths.
        images: where their images are.
        classes: names that objects may have.
        split: name of the split.
    """
    report = DataReport()
    examples: list[Example] = []
    for image_id, path in enumerate(label_files, start=1):
        with report.at(path) as location:
            examples.append(_example_of(path, images, classes, image_id, location))
    return Dataset(tuple(examples), classes, images.folder, split, report)


def class_names_in(label_file: Path) -> set[str]:
    """The names of its objects; none if it cannot be read, which reading reports."""
    try:
        return {_text_of(element, "name") for element in xml_of(label_file).findall("object")}
    except DataProblem:
        return set()


def _example_of(path: Path, images: ImageIndex, classes: Classes, image_id: int, location: Location) -> Example:
    annotation = xml_of(path)
    if annotation.tag != "annotation":
        message = f"is XML of {short_repr(annotation.tag)}, expected an annotation"
        raise DataProblem(ProblemKind.BAD_LABELS, message)
    image, size = measure_image(_image_of(annotation, path, images, location), images.folder, location)
    stated = tuple(annotation.findtext(f"size/{side}") for side in ("width", "height"))
    if stated != (None, None):
        compare_size((_whole(stated[0]), _whole(stated[1])), image, size, location)
    shift = 1.0 if (annotation.findtext("source/database") or "").startswith("The VOC") else 0.0
    objects = []
    for number, element in enumerate(annotation.findall("object"), start=1):
        location.item = f"object {number}"
        with location:
            objects.append(_object_of(element, classes, size, shift, location))
    return Example(image, size, image_id, tuple(objects))


def _image_of(annotation: Element, path: Path, images: ImageIndex, location: Location) -> Path:
    """The image of the same name; `filename` decides only if there is none or several."""
    filename = annotation.findtext("filename") or ""
    same = images.by_stem.get(path.stem, ())
    named = path_inside(images.folder, filename) if filename and is_image_of(images.folder, filename) else None
    if named is not None and (not same or named in same):
        return named
    if not same:
        candidates = images.by_plain_stem.get(image_stem(path.stem), ())
        if len(candidates) == 1:
            location.add(ProblemKind.CONVERTED_NAME, f"is used as the labels of {candidates[0].name}")
            return candidates[0]
        message = f"no image {path.stem}.* or {short_repr(filename)} in {images.folder}"
        raise DataProblem(ProblemKind.MISSING_PICTURE, message)
    near = [image for image in same if image.parent.parts[-1:] == path.parent.parts[-1:]]
    if len(same) > 1 and len(near) == 1:
        return near[0]
    if filename and Path(slashed(filename)).stem != path.stem:
        message = f"filename is {short_repr(filename)}; the image of the same name is used: {same[0].name}"
        location.add(ProblemKind.OTHER_NAME, message)
    return same[0]


def _object_of(element: Element, classes: Classes, size: tuple[int, int], shift: float, location: Location) -> Object:
    name = _text_of(element, "name")
    location.item = f"{location.item} ({short_repr(name)})"
    if name not in classes.label_of_source:
        message = f"{short_repr(name)} is not one of {short_repr(list(classes.names))}"
        raise DataProblem(ProblemKind.UNKNOWN_CATEGORY, message)
    bounds = element.find("bndbox")
    if bounds is None:
        message = f"has no bndbox; it has {', '.join(child.tag for child in element)[:200]}"
        raise DataProblem(ProblemKind.BAD_FIELD, message)
    x1, y1, x2, y2 = (_number_of(bounds, edge) for edge in _EDGES)
    stated = dict(zip(_EDGES, (x1, y1, x2, y2), strict=True))
    corners = x1 - shift, y1 - shift, x2, y2
    box = clip_box(corners, size, location, stated=stated)
    marks = tuple(mark for mark in _MARKS if (element.findtext(mark) or "0").strip() not in ("0", ""))
    if "difficult" in marks:
        location.add(ProblemKind.DIFFICULT, "is marked as difficult")
    area = (box[2] - box[0]) * (box[3] - box[1])
    return Object(classes.label_of_source[name], box, area, annotated=unclipped(corners, box), marks=marks)


def _text_of(element: Element, tag: str) -> str:
    text = (element.findtext(tag) or "").strip()
    if not text:
        raise DataProblem(ProblemKind.BAD_FIELD, f"has no {tag}")
    return text


def _number_of(element: Element, tag: str) -> float:
    text = _text_of(element, tag)
    try:
        return float(text)
    except ValueError:
        message = f"bndbox {tag} is {short_repr(text)}, expected a number"
        raise DataProblem(ProblemKind.BAD_FIELD, message) from None


def _whole(text: str | None) -> object:
    try:
        return int(float(text or ""))
    except (ValueError, OverflowError):
        return text
