"""One annotation of a COCO panoptic file after the other: the segments of an image, checked with their PNG."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condetr.core.errors import AnnotationError, ImageError
from condetr.data.checks.data_report import Fault, Place, shown
from condetr.data.checks.problems import Reason
from condetr.data.classes import Classes, Id
from condetr.data.coco.json_fields import as_float, box_of, crowd_of, id_of, object_of
from condetr.data.discovery.image_paths import path_inside
from condetr.data.geometry import box_inside
from condetr.data.records import Box, Object
from condetr.images.decoding.headers import upright_size
from condetr.images.masks.segment_png import LARGEST, segment_numbers
from condetr.images.sizes import HeightWidth


@dataclass(frozen=True, slots=True)
class Segments:
    """Attributes: the PNG; what to find; and what was not labeled one by one."""

    path: Path
    objects: tuple[Object, ...]
    crowds: tuple[Object, ...]


def read_segments(
    given: Mapping[str, Any], classes: Classes, root: Path, size: HeightWidth, place: Place, *, pixels: bool
) -> Segments:
    """The segments of one image.

    Args:
        given: the annotation.
        classes: whose source ids are the category ids.
        root: the folder of the PNGs.
        size: of the image.
        place: where faults of single segments go.
        pixels: whether to look at every pixel of the PNG; without, it is opened only where a box or area is missing.

    Raises:
        Fault: nothing of it can be used.
    """
    path = _png(given, root, size)
    infos = given.get("segments_info")
    if not isinstance(infos, list):
        raise Fault(Reason.BAD_FIELD, f"segments_info is {shown(infos)}, expected a list")
    pixels = pixels or not all(isinstance(one, Mapping) and _is_measured(one, size) for one in infos)
    reader = _Reader(classes, size, _Extents(path) if pixels else None)
    whole = place.item
    for position, info in enumerate(infos):
        place.item = f"{whole}: segments_info[{position}]"
        try:
            table = object_of(info)
            number = id_of(table, "id")
            place.item = f"{whole}: segment {shown(number)}"
            reader.read(table, number, place)
        except Fault as fault:
            place.add_fault(fault)
    place.item = whole
    reader.tell_unlisted(place)
    return Segments(path, tuple(reader.objects), tuple(reader.crowds))


def _is_measured(given: Mapping[str, Any], size: HeightWidth) -> bool:
    area = given.get("area")
    known = isinstance(area, int | float) and not isinstance(area, bool) and 0 < as_float(area) <= size[0] * size[1]
    return known and given.get("bbox") is not None


def _png(given: Mapping[str, Any], root: Path, size: HeightWidth) -> Path:
    name = given.get("file_name")
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise Fault(Reason.BAD_FIELD, f"file_name is {shown(name)}, expected the name of a PNG")
    path = path_inside(root, name)
    if not path.is_file():
        raise Fault(Reason.MISSING_LABELS, f"{path} does not exist")
    try:
        found = upright_size(path)
    except ImageError as error:
        raise Fault(Reason.BAD_LABELS, f"{path} {error.reason}") from error
    if found != size:
        raise Fault(Reason.BAD_LABELS, f"{path} is {found[1]}x{found[0]}, its image {size[1]}x{size[0]}")
    return path


class _Extents:
    """What the pixels of a PNG say about each number."""

    def __init__(self, path: Path) -> None:
        try:
            self._plane = segment_numbers(path)
        except (AnnotationError, ImageError) as error:
            raise Fault(Reason.BAD_LABELS, f"{path} {error.reason}") from error
        numbers, counts = self._plane.unique(return_counts=True)
        self.areas: dict[int, int] = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        self.areas.pop(0, None)

    def box_of(self, number: int) -> Box:
        rows, columns = (self._plane == number).nonzero().unbind(1)
        low, high = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


class _Reader:
    def __init__(self, classes: Classes, size: HeightWidth, extents: _Extents | None) -> None:
        self.objects: list[Object] = []
        self.crowds: list[Object] = []
        self._classes, self._size, self._extents = classes, size, extents
        self._seen: set[int] = set()

    def read(self, given: Mapping[str, Any], number: Id, place: Place) -> None:
        if type(number) is not int or not 0 < number <= LARGEST:
            raise Fault(Reason.BAD_FIELD, f"id is {shown(number)}, expected the number of a color, 1 to {LARGEST}")
        if number in self._seen:
            raise Fault(Reason.DUPLICATE_ANNOTATION_ID, f"the segment id {number} stands twice")
        self._seen.add(number)
        category = id_of(given, "category_id")
        if category not in self._classes.label_of_source:
            raise Fault(Reason.UNKNOWN_CATEGORY, f"category_id {shown(category)} is not in categories")
        crowd = crowd_of(given, place)
        box, area = self._measured(given, number, place)
        one = Object(self._classes.label_of_source[category], box, area, number)
        (self.crowds if crowd else self.objects).append(one)

    def tell_unlisted(self, place: Place) -> None:
        for number in sorted(self._extents.areas.keys() - self._seen if self._extents else ()):
            place.add(Reason.UNLISTED_SEGMENT, f"the PNG has pixels of the number {number}")

    def _measured(self, given: Mapping[str, Any], number: int, place: Place) -> tuple[Box, float]:
        """The area that the pixels tell where they were looked at; a box as it is given, where it is."""
        area = given.get("area")
        if self._extents is not None:
            if number not in self._extents.areas:
                raise Fault(Reason.BAD_SEGMENTATION, f"no pixel of the PNG has the number {number}")
            area = self._extents.areas[number]
            if given.get("bbox") is None:
                return self._extents.box_of(number), float(area)
        assert area is not None, "areas that are missing are measured"
        x, y, width, height = box_of(given.get("bbox"))
        return box_inside((x, y, x + width, y + height), self._size, place, given=given["bbox"]), float(area)
