"""One annotation of a COCO file after the other, as objects of their pictures."""

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condetr.data.classes import Classes, Id
from condetr.data.fields import as_float, box_of, id_of, object_of
from condetr.data.geometry import box_inside
from condetr.data.outlines import box_of_outline, check_outline
from condetr.data.reasons import Reason
from condetr.data.records import Box, Object
from condetr.data.report import Fault, Place, shown
from condetr.images.sizes import HeightWidth


class ObjectReader:
    """Sorts annotations by picture, each checked on its own."""

    def __init__(
        self, classes: Classes, named: Mapping[Id, str], found: Mapping[Id, tuple[Path, HeightWidth]], *, masks: bool
    ) -> None:
        """``named``: what each listed picture is called; ``found``: those that are there."""
        self.objects: defaultdict[Id, list[Object]] = defaultdict(list)
        self.crowds: defaultdict[Id, list[Object]] = defaultdict(list)
        self._classes, self._named, self._found, self._masks = classes, named, found, masks
        self._by_text = {str(image_id): image_id for image_id in named}
        self._seen: set[Id] = set()

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
        crowd = given.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise Fault(Reason.BAD_FIELD, f"iscrowd is {shown(crowd)}, expected 0 or 1")
        if image_id not in self._found:
            return  # the report has the picture already
        label, size = self._classes.label_of_source[category], self._found[image_id][1]
        box = self._box(given, size, place)
        outline = self._outline(given, size) if self._masks else None
        read = Object(label, box, _area(given, box, place), annotation_id, outline)
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

    def _box(self, given: Mapping[str, Any], size: HeightWidth, place: Place) -> Box:
        bbox = given.get("bbox")
        if bbox is None and given.get("segmentation") is not None:
            bbox = box_of_outline(given["segmentation"], size)
            place.add(Reason.BOX_OF_OUTLINE, f"has no bbox; that of its segmentation is {shown(bbox)}")
        x, y, width, height = box_of(bbox)
        return box_inside((x, y, x + width, y + height), size, place, given=bbox)

    def _outline(self, given: Mapping[str, Any], size: HeightWidth) -> Any:
        outline = given.get("segmentation")
        check_outline(outline, size)
        return outline

    def _orphan(self, image_id: Id) -> Fault:
        twin = self._by_text.get(str(image_id))
        if twin is None:
            return Fault(Reason.ORPHAN_ANNOTATION, f"is of unknown image id {shown(image_id)}")
        kinds = f"of type {type(image_id).__name__}, the picture's id {shown(twin)} of type {type(twin).__name__}"
        return Fault(Reason.MIXED_IDS, f"image_id {shown(image_id)} is {kinds}")


def _area(given: Mapping[str, Any], box: Box, place: Place) -> float:
    area = given.get("area")
    if isinstance(area, int | float) and not isinstance(area, bool) and 0 < (known := as_float(area)) < math.inf:
        return known
    taken = (box[2] - box[0]) * (box[3] - box[1])
    place.add(Reason.AREA_OF_BOX, f"area is {shown(area)}; that of its box, {taken:g}, is taken")
    return taken
