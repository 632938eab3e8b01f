"""The annotations of a COCO panoptic file, one by one: the segments of an image, checked against their PNG."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condetr.core.errors import AnnotationError, ImageError
from condetr.core.short_repr import short_repr
from condetr.data.box_clipping import clip_box
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes, Id
from condetr.data.coco.objects import is_crowd, label_of
from condetr.data.records import Box, Object
from condetr.files.inside import path_inside
from condetr.images.coco_labels.fields import as_float, box_of, file_name_of, id_of, mapping_of
from condetr.images.decoding.headers import upright_size
from condetr.images.masks.box import box_of_mask
from condetr.images.masks.segment_png import LARGEST, segment_numbers
from condetr.images.sizes import HeightWidth


@dataclass(frozen=True, slots=True)
class Segments:
    """Attributes: the PNG; the objects to detect; the crowds."""

    path: Path
    objects: tuple[Object, ...]
    crowds: tuple[Object, ...]


def read_segments(
    record: Mapping[str, Any], classes: Classes, root: Path, size: HeightWidth, location: Location, *, pixels: bool
) -> Segments:
    """The segments of one image.

    Args:
        record: the annotation.
        classes: whose source ids are the category ids.
        root: the folder of the PNGs.
        size: of the image.
        location: where problems of single segments are reported.
        pixels: whether to check every pixel of the PNG; otherwise it is decoded only if a box or area is missing.

    Raises:
        DataProblem, FieldError, OutsideFolderError: nothing of it can be used.
    """
    path = _png(record, root, size)
    infos = record.get("segments_info")
    if not isinstance(infos, list):
        raise DataProblem(ProblemKind.BAD_FIELD, f"has segments_info {short_repr(infos)}, expected a list")
    pixels = pixels or not all(isinstance(info, Mapping) and _is_measured(info, size) for info in infos)
    reader = _SegmentReader(classes, size, _SegmentPixels(path) if pixels else None)
    image = location.item
    for position, info in enumerate(infos):
        location.item = f"{image}: segments_info[{position}]"
        with location:
            segment = mapping_of(info)
            number = id_of(segment, "id")
            location.item = f"{image}: segment {short_repr(number)}"
            reader.read(segment, number, location)
    location.item = image
    reader.report_unlisted(location)
    return Segments(path, tuple(reader.objects), tuple(reader.crowds))


def _is_measured(info: Mapping[str, Any], size: HeightWidth) -> bool:
    area = as_float(info.get("area"))
    return area is not None and 0 < area <= size[0] * size[1] and info.get("bbox") is not None


def _png(record: Mapping[str, Any], root: Path, size: HeightWidth) -> Path:
    path = path_inside(root, file_name_of(record))
    if not path.is_file():
        raise DataProblem(ProblemKind.MISSING_LABELS, f"{path} does not exist")
    try:
        png_size = upright_size(path)
    except ImageError as error:
        raise DataProblem(ProblemKind.BAD_LABELS, f"{path} {error.reason}") from error
    if png_size != size:
        message = f"{path} is {png_size[1]}x{png_size[0]}, its image {size[1]}x{size[0]}"
        raise DataProblem(ProblemKind.BAD_LABELS, message)
    return path


class _SegmentPixels:
    """Area and box of each segment number in a PNG."""

    def __init__(self, path: Path) -> None:
        try:
            self._plane = segment_numbers(path)
        except (AnnotationError, ImageError) as error:
            raise DataProblem(ProblemKind.BAD_LABELS, f"{path} {error.reason}") from error
        numbers, counts = self._plane.unique(return_counts=True)
        self.areas: dict[int, int] = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        self.areas.pop(0, None)

    def box_of(self, number: int) -> Box:
        x1, y1, x2, y2 = map(float, box_of_mask(self._plane == number))
        return x1, y1, x2, y2


class _SegmentReader:
    def __init__(self, classes: Classes, size: HeightWidth, pixels: _SegmentPixels | None) -> None:
        self.objects: list[Object] = []
        self.crowds: list[Object] = []
        self._classes, self._size, self._pixels = classes, size, pixels
        self._seen: set[int] = set()

    def read(self, info: Mapping[str, Any], number: Id, location: Location) -> None:
        if type(number) is not int or not 0 < number <= LARGEST:
            message = f"has id {short_repr(number)}, expected the number of a color, 1 to {LARGEST}"
            raise DataProblem(ProblemKind.BAD_FIELD, message)
        if number in self._seen:
            raise DataProblem(ProblemKind.DUPLICATE_ANNOTATION_ID, f"duplicate segment id {number}")
        self._seen.add(number)
        label = label_of(id_of(info, "category_id"), self._classes)
        crowd = is_crowd(info, location)
        box, area = self._measured(info, number, location)
        (self.crowds if crowd else self.objects).append(Object(label, box, area, number))

    def report_unlisted(self, location: Location) -> None:
        for number in sorted(self._pixels.areas.keys() - self._seen if self._pixels else ()):
            location.add(ProblemKind.UNLISTED_SEGMENT, f"the PNG has pixels of the number {number}")

    def _measured(self, info: Mapping[str, Any], number: int, location: Location) -> tuple[Box, float]:
        """Box and area: the area of the pixels if they were decoded, the box as stated unless it is missing."""
        area = info.get("area")
        if self._pixels is not None:
            if number not in self._pixels.areas:
                raise DataProblem(ProblemKind.BAD_SEGMENTATION, f"no pixel of the PNG has the number {number}")
            area = self._pixels.areas[number]
            if info.get("bbox") is None:
                return self._pixels.box_of(number), float(area)
        assert area is not None, "areas that are missing are measured"
        x, y, width, height = box_of(info, finite=False)
        return clip_box((x, y, x + width, y + height), self._size, location, stated=info["bbox"]), float(area)
