"""One annotation of a COCO file after the other, as objects of their images."""

import math
from collections import defaultdict
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from condetr.data.checks.data_report import Fault, Place, shown
from condetr.data.checks.problems import Reason
from condetr.data.classes import Classes, Id
from condetr.data.coco.json_fields import as_float, box_of, crowd_of, id_of, object_of
from condetr.data.coco.outlines import box_of_outline, check_outline
from condetr.data.geometry import box_inside
from condetr.data.records import Annotated, Box, Object
from condetr.images.sizes import HeightWidth

_LOST = (Reason.EMPTY_BOX, Reason.OUTSIDE_BOX, Reason.BAD_SEGMENTATION)  # that COCO's AP counts all the same


class ObjectReader:
    """Sorts annotations by image, each checked on its own."""

    def __init__(
        self, classes: Classes, named: Mapping[Id, str], found: Mapping[Id, tuple[Path, HeightWidth]], *, masks: bool
    ) -> None:
        """``named``: what each listed image is called; ``found``: those that are there."""
        self.objects: defaultdict[Id, list[Object]] = defaultdict(list)
        self.crowds: defaultdict[Id, list[Object]] = defaultdict(list)
        self.lost: defaultdict[Id, list[Object]] = defaultdict(list)
        self.lost_crowds: defaultdict[Id, list[Object]] = defaultdict(list)
        self._classes, self._named, self._found, self._masks = classes, named, found, masks
        self._by_text = {str(image_id): image_id for image_id in named}
        self._seen: set[Id] = set()
        self._numbers = count()

    def read(self, annotation: object, place: Place) -> None:
        """Take one in.

        Raises:
            Fault: it cannot be used; ``place`` says which one it is.
        """
        given = object_of(annotation)
        annotation_id = self._annotation_id(given, place)
        image_id, category = id_of(given, "image_id"), id_of(given, "category_id")
        if image_id not in self._named:
            raise self._orphan(image_id)
        place.item = f"{place.item} of {self._named[image_id]}"
        if category not in self._classes.label_of_source:
            raise Fault(Reason.UNKNOWN_CATEGORY, f"category_id {shown(category)} is not in categories")
        crowd = crowd_of(given, place)
        if image_id not in self._found:
            return  # the report has the image already
        label, size = self._classes.label_of_source[category], self._found[image_id][1]
        box_given = self._box_given(given, size, place)
        annotated, number = _annotated(given, box_given), next(self._numbers)
        x, y, width, height = annotated[:4]
        try:
            box = box_inside((x, y, x + width, y + height), size, place, given=box_given)
            outline = self._outline(given, size) if self._masks else None
        except Fault as fault:
            if fault.reason in _LOST:
                outline = given.get("segmentation")
                box = x, y, x + width, y + height
                lost = Object(label, box, annotated.area, annotation_id, outline, annotated, number)
                (self.lost_crowds if crowd else self.lost)[image_id].append(lost)
            raise
        area = _area(given, box, place)
        same = annotated == (box[0], box[1], box[2] - box[0], box[3] - box[1], area)
        read = Object(label, box, area, annotation_id, outline, None if same else annotated, number)
        (self.crowds if crowd else self.objects)[image_id].append(read)

    def _annotation_id(self, given: Mapping[str, Any], place: Place) -> Id | None:
        if "id" not in given:
            return None
        annotation_id = id_of(given, "id")
        place.item = f"annotation {annotation_id if type(annotation_id) is int else shown(annotation_id)}"
        if annotation_id in self._seen:
            raise Fault(Reason.DUPLICATE_ANNOTATION_ID, f"the annotation id {shown(annotation_id)} stands twice")
        self._seen.add(annotation_id)
        return annotation_id

    def _box_given(self, given: Mapping[str, Any], size: HeightWidth, place: Place) -> Any:
        bbox = given.get("bbox")
        if bbox is None and given.get("segmentation") is not None:
            bbox = box_of_outline(given["segmentation"], size)
            place.add(Reason.BOX_OF_OUTLINE, f"has no bbox; that of its segmentation is {shown(bbox)}")
        return bbox

    def _outline(self, given: Mapping[str, Any], size: HeightWidth) -> Any:
        outline = given.get("segmentation")
        check_outline(outline, size)
        return outline

    def _orphan(self, image_id: Id) -> Fault:
        twin = self._by_text.get(str(image_id))
        if twin is None:
            return Fault(Reason.ORPHAN_ANNOTATION, f"is of unknown image id {shown(image_id)}")
        kinds = f"of type {type(image_id).__name__}, the image's id {shown(twin)} of type {type(twin).__name__}"
        return Fault(Reason.MIXED_IDS, f"image_id {shown(image_id)} is {kinds}")


def _annotated(given: Mapping[str, Any], box: Any) -> Annotated:
    """As it is given, whatever a model could learn from it; without an area, that of the box."""
    x, y, width, height = box_of(box)
    area = _number_of(given.get("area"))
    return Annotated(x, y, width, height, width * height if area is None else area)


def _area(given: Mapping[str, Any], box: Box, place: Place) -> float:
    known = _number_of(area := given.get("area"))
    if known is not None and known > 0:
        return known
    taken = (box[2] - box[0]) * (box[3] - box[1])
    place.add(Reason.AREA_OF_BOX, f"area is {shown(area)}; that of its box, {taken:g}, is taken")
    return taken


def _number_of(area: object) -> float | None:
    """Unless it is no finite number."""
    if not isinstance(area, int | float) or isinstance(area, bool) or not math.isfinite(known := as_float(area)):
        return None
    return known
