"""Pascal VOC annotations: for each image an XML file with names and boxes of its objects.

VOC itself counts pixels from one and includes the last (its devkit, section 7.1.1), so that its left edge at 1 is
our 0. Tools that write the same form today count from zero. VOC's own files say whose they are, and only their
edges are moved.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from condetr.data.checks.data_report import Fault, Place, Report, shown
from condetr.data.checks.problems import Reason
from condetr.data.classes import Classes
from condetr.data.discovery.image_paths import compare_size, is_image_of, measure_image, path_inside
from condetr.data.discovery.label_files import image_stem, plain
from condetr.data.geometry import annotated_as, box_inside
from condetr.data.records import Dataset, Example, Object
from condetr.data.voc.strict_xml import xml_of

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
        split: what to call the data set.
    """
    report = Report()
    examples: list[Example] = []
    for image_id, path in enumerate(label_files, start=1):
        place = report.place(path)
        try:
            examples.append(_example_of(path, images, classes, image_id, place))
        except Fault as fault:
            place.item = None
            place.add_fault(fault)
    return Dataset(tuple(examples), classes, images.folder, split, report)


def class_names_in(label_file: Path) -> set[str]:
    """The names of its objects; none where it cannot be read, which reading will say."""
    try:
        return {_text_of(one, "name") for one in xml_of(label_file).findall("object")}
    except Fault:
        return set()


def _example_of(path: Path, images: ImageIndex, classes: Classes, image_id: int, place: Place) -> Example:
    annotation = xml_of(path)
    if annotation.tag != "annotation":
        raise Fault(Reason.BAD_LABELS, f"is XML of {shown(annotation.tag)}, expected an annotation")
    image, size = measure_image(_image_of(annotation, path, images, place), images.folder, place)
    stated = tuple(annotation.findtext(f"size/{side}") for side in ("width", "height"))
    if stated != (None, None):
        compare_size((_whole(stated[0]), _whole(stated[1])), image, size, place)
    shift = 1.0 if (annotation.findtext("source/database") or "").startswith("The VOC") else 0.0
    objects = []
    for number, element in enumerate(annotation.findall("object"), start=1):
        place.item = f"object {number}"
        try:
            objects.append(_object_of(element, classes, size, shift, place))
        except Fault as fault:
            place.add_fault(fault)
    return Example(image, size, image_id, tuple(objects))


def _image_of(annotation: Element, path: Path, images: ImageIndex, place: Place) -> Path:
    """Of the same name; what `filename` says matters only where that does not tell."""
    said = annotation.findtext("filename") or ""
    same = images.by_stem.get(path.stem, ())
    named = path_inside(images.folder, said) if said and is_image_of(images.folder, said) else None
    if named is not None and (not same or named in same):
        return named
    if not same:
        meant = images.by_plain_stem.get(image_stem(path.stem), ())
        if len(meant) == 1:
            place.add(Reason.CONVERTED_NAME, f"is taken for the labels of {meant[0].name}")
            return meant[0]
        raise Fault(Reason.MISSING_PICTURE, f"no image {path.stem}.* or {shown(said)} in {images.folder}")
    if said and Path(said).stem != path.stem:
        place.add(Reason.OTHER_NAME, f"filename is {shown(said)}; the image of the same name is taken: {same[0].name}")
    return same[0]


def _object_of(element: Element, classes: Classes, size: tuple[int, int], shift: float, place: Place) -> Object:
    name = _text_of(element, "name")
    place.item = f"{place.item} ({shown(name)})"
    if name not in classes.label_of_source:
        raise Fault(Reason.UNKNOWN_CATEGORY, f"{shown(name)} is not one of {shown(list(classes.names))}")
    bounds = element.find("bndbox")
    if bounds is None:
        raise Fault(Reason.BAD_FIELD, f"has no bndbox; it has {', '.join(child.tag for child in element)[:200]}")
    x1, y1, x2, y2 = (_number_of(bounds, edge) for edge in _EDGES)
    given = dict(zip(_EDGES, (x1, y1, x2, y2), strict=True))
    corners = x1 - shift, y1 - shift, x2, y2
    box = box_inside(corners, size, place, given=given)
    marks = tuple(mark for mark in _MARKS if (element.findtext(mark) or "0").strip() not in ("0", ""))
    if "difficult" in marks:
        place.add(Reason.DIFFICULT, "is marked as difficult")
    area = (box[2] - box[0]) * (box[3] - box[1])
    return Object(classes.label_of_source[name], box, area, annotated=annotated_as(corners, box), marks=marks)


def _text_of(element: Element, tag: str) -> str:
    text = (element.findtext(tag) or "").strip()
    if not text:
        raise Fault(Reason.BAD_FIELD, f"has no {tag}")
    return text


def _number_of(element: Element, tag: str) -> float:
    text = _text_of(element, tag)
    try:
        return float(text)
    except ValueError:
        raise Fault(Reason.BAD_FIELD, f"bndbox {tag} is {shown(text)}, expected a number") from None


def _whole(text: str | None) -> object:
    try:
        return int(float(text or ""))
    except (ValueError, OverflowError):
        return text
