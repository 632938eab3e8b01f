"""The annotations of a COCO file, one by one, as objects of their images."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from condetr.core.short_repr import short_repr
from condetr.data.box_clipping import clip_box
from condetr.data.checks.data_report import DataProblem, Location, kind_of
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes, Id
from condetr.data.coco.tables import ImageFiles
from condetr.data.records import Annotated, Box, Object
from condetr.images.coco_labels.fields import SegmentationError, as_float, box_of, id_of, mapping_of, number_of
from condetr.images.coco_labels.segmentation import box_of_segmentation, check_segmentation
from condetr.images.sizes import HeightWidth

_CROWDS = {"": False, "0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_LOST = (ProblemKind.EMPTY_BOX, ProblemKind.OUTSIDE_BOX, ProblemKind.BAD_SEGMENTATION)  # COCO's AP counts these


class ObjectReader:
    """Sorts annotations by image, each checked on its own."""

    def __init__(self, classes: Classes, names: Mapping[Id, str], files: ImageFiles, *, masks: bool) -> None:
        """``names`` of all images that are listed, and the ``files`` of those that exist."""
        self.objects: defaultdict[Id, list[Object]] = defaultdict(list)
        self.crowds: defaultdict[Id, list[Object]] = defaultdict(list)
        self.lost: defaultdict[Id, list[Object]] = defaultdict(list)
        self.lost_crowds: defaultdict[Id, list[Object]] = defaultdict(list)
        self._classes, self._names, self._files, self._masks = classes, names, files, masks
        self._by_text = {str(image_id): image_id for image_id in names}
        self._seen: set[Id] = set()
        self._numbers = count()

    def read(self, annotation: object, location: Location) -> None:
        """Add one annotation; ``location`` gets its id.

        Raises:
            DataProblem, FieldError, SegmentationError: it cannot be used.
        """
        record = mapping_of(annotation)
        annotation_id = self._annotation_id(record, location)
        image_id, category = id_of(record, "image_id"), id_of(record, "category_id")
        if image_id not in self._names:
            raise self._orphan(image_id)
        location.item = f"{location.item} of {self._names[image_id]}"
        label = label_of(category, self._classes)
        crowd = is_crowd(record, location)
        if image_id not in self._files:
            return  # the missing image is in the report already
        size = self._files[image_id][1]
        bbox = _bbox(record, size, location)
        annotated, number = _annotated(record, bbox), next(self._numbers)
        x, y, width, height = annotated[:4]
        segmentation = record.get("segmentation")
        try:
            box = clip_box((x, y, x + width, y + height), size, location, stated=bbox)
            if self._masks:
                check_segmentation(segmentation, size)
        except (DataProblem, SegmentationError) as error:
            if kind_of(error) in _LOST:
                box = x, y, x + width, y + height
                lost = Object(label, box, annotated.area, annotation_id, segmentation, annotated, number)
                (self.lost_crowds if crowd else self.lost)[image_id].append(lost)
            raise
        area = _area(record, box, location)
        same = annotated == (box[0], box[1], box[2] - box[0], box[3] - box[1], area)
        kept = segmentation if self._masks else None
        read = Object(label, box, area, annotation_id, kept, None if same else annotated, number)
        (self.crowds if crowd else self.objects)[image_id].append(read)

    def _annotation_id(self, record: Mapping[str, Any], location: Location) -> Id | None:
        if "id" not in record:
            return None
        annotation_id = id_of(record, "id")
        location.item = f"annotation {annotation_id if type(annotation_id) is int else short_repr(annotation_id)}"
        if annotation_id in self._seen:
            message = f"duplicate annotation id {short_repr(annotation_id)}"
            raise DataProblem(ProblemKind.DUPLICATE_ANNOTATION_ID, message)
        self._seen.add(annotation_id)
        return annotation_id

    def _orphan(self, image_id: Id) -> DataProblem:
        twin = self._by_text.get(str(image_id))
        if twin is None:
            return DataProblem(ProblemKind.ORPHAN_ANNOTATION, f"has the unknown image id {short_repr(image_id)}")
        types = f"of type {type(image_id).__name__}, the image's id {short_repr(twin)} of type {type(twin).__name__}"
        return DataProblem(ProblemKind.MIXED_IDS, f"image_id {short_repr(image_id)} is {types}")


def label_of(category: Id, classes: Classes) -> int:
    if category not in classes.label_of_source:
        raise DataProblem(ProblemKind.UNKNOWN_CATEGORY, f"category_id {short_repr(category)} is not in categories")
    return classes.label_of_source[category]


def is_crowd(record: Mapping[str, Any], location: Location) -> bool:
    """Whether ``iscrowd`` is 1. Null, NaN and text, as tables are exported, are converted, which is reported.

    Raises:
        DataProblem: it is something else.
    """
    stated = record.get("iscrowd", 0)
    if isinstance(stated, int | float) and stated in (0, 1):
        return bool(stated)
    meant = False if stated is None or stated != stated else None  # noqa: PLR0124  NaN
    if isinstance(stated, str):
        meant = _CROWDS.get(stated.strip().lower())
    if meant is None:
        raise DataProblem(ProblemKind.BAD_FIELD, f"has iscrowd {short_repr(stated)}, expected 0 or 1")
    location.add(ProblemKind.CONVERTED_FIELD, f"iscrowd {short_repr(stated)} is read as {int(meant)}")
    return meant


def _bbox(record: Mapping[str, Any], size: HeightWidth, location: Location) -> Any:
    bbox = record.get("bbox")
    if not bbox and not record.get("segmentation") and isinstance(record.get("keypoints"), list):
        return _box_of_keypoints(record["keypoints"], location)
    if bbox is None and record.get("segmentation") is not None:
        bbox = box_of_segmentation(record["segmentation"], size)
        location.add(ProblemKind.BOX_OF_OUTLINE, f"has no bbox; that of its segmentation is {short_repr(bbox)}")
    return bbox


def _box_of_keypoints(keypoints: Sequence[Any], location: Location) -> list[float]:
    """The box of those that are labeled: x, y, and 0 for a keypoint that is not, 1 for a hidden one, or 2."""
    numbers = [number_of(number, "keypoints") for number in keypoints]
    points = [(x, y) for x, y, flag in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=False) if flag > 0]
    if not points:
        raise DataProblem(ProblemKind.EMPTY_BOX, f"has no bbox, and none of {len(numbers) // 3} keypoints is labeled")
    xs, ys = zip(*points, strict=True)
    location.add(ProblemKind.BOX_OF_KEYPOINTS, f"has no bbox; that of its {len(points)} keypoints is used")
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _annotated(record: Mapping[str, Any], bbox: Any) -> Annotated:
    """As the source states it, usable for training or not; a missing area is that of the box."""
    x, y, width, height = box_of({"bbox": bbox}, finite=False)
    area = _finite(record.get("area"))
    return Annotated(x, y, width, height, width * height if area is None else area)


def _area(record: Mapping[str, Any], box: Box, location: Location) -> float:
    stated = record.get("area")
    area = _finite(stated)
    if area is not None and area > 0:
        return area
    of_box = (box[2] - box[0]) * (box[3] - box[1])
    location.add(ProblemKind.AREA_OF_BOX, f"area is {short_repr(stated)}; that of its box, {of_box:g}, is used")
    return of_box


def _finite(value: object) -> float | None:
    number = as_float(value)
    return number if number is not None and math.isfinite(number) else None
