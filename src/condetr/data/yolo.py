"""YOLO label files: for each picture a text file, a line an object: class, centre x, centre y, width, height.

Coordinates are fractions of the upright picture. A line of more numbers is an outline (x1 y1 x2 y2 ...), whose
box is taken. A picture without a label file, or with an empty one, has no objects.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from condetr.data.classes import Classes
from condetr.data.geometry import annotated_as, box_inside
from condetr.data.outlines import check_outline
from condetr.data.reasons import Reason
from condetr.data.records import Dataset, Example, Object
from condetr.data.report import Fault, Place, Report, shown
from condetr.data.text_files import labels_of
from condetr.data.whereabouts import measure_picture
from condetr.images.sizes import HeightWidth

_FARTHEST = 2.0  # a coordinate beyond it is in pixels, or nonsense


def read_yolo(
    pictures: Sequence[Path], classes: Classes, root: Path, *, split: str = "all", masks: bool = False
) -> Dataset:
    """Pictures and the objects of their label files.

    Args:
        pictures: absolute paths below ``root``.
        classes: ids are those that the lines begin with.
        root: the folder of the data set.
        split: what to call it.
        masks: whether objects need an outline, checked here and kept.
    """
    report = Report()
    examples: list[Example] = []
    for image_id, path in enumerate(pictures, start=1):
        labels = label_file_of(path)
        place = report.place(path if labels is None else labels)
        try:
            path, size = measure_picture(path, root, place)
            if labels is None:
                place.add(Reason.NO_LABELS, "has no label file")
            objects = [] if labels is None else _objects_of(labels_of(labels), classes, size, place, masks=masks)
        except Fault as fault:
            place.add_fault(fault)
        else:
            examples.append(Example(path, size, image_id, tuple(objects)))
    return Dataset(tuple(examples), classes, root, split, report)


def label_file_of(picture: Path) -> Path | None:
    """Where ``labels`` stands for the last ``images`` of the path, or beside the picture."""
    parts = list(picture.parts)
    places = [picture.with_suffix(".txt")]
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index("images")
        places.insert(0, Path(*parts[:last], "labels", *parts[last + 1 :]).with_suffix(".txt"))
    return next((place for place in places if place.exists()), None)


def _objects_of(text: str, classes: Classes, size: HeightWidth, place: Place, *, masks: bool) -> list[Object]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        place.item = f"line {number}"
        try:
            found.append(_object_of(line, classes, size, place, masks=masks))
        except Fault as fault:
            place.add_fault(fault)
    return found


def _object_of(line: str, classes: Classes, size: HeightWidth, place: Place, *, masks: bool) -> Object:
    category, *coordinates = _numbers_of(line)
    if not category.is_integer() or int(category) not in classes.label_of_source:
        raise Fault(Reason.UNKNOWN_CATEGORY, f"class {category:g} is not one of the {len(classes)} in names")
    height, width = size
    if len(coordinates) == 4:
        x, y, across, down = coordinates
        corners, polygon = (x - across / 2, y - down / 2, x + across / 2, y + down / 2), None
    else:
        xs, ys = coordinates[::2], coordinates[1::2]
        corners = (min(xs), min(ys), max(xs), max(ys))
        polygon = [side for x, y in zip(xs, ys, strict=True) for side in (x * width, y * height)]
        place.add(Reason.BOX_OF_OUTLINE, f"is an outline of {len(xs)} points, whose box is taken")
    x1, y1, x2, y2 = corners
    corners = x1 * width, y1 * height, x2 * width, y2 * height
    box = box_inside(corners, size, place, given=line.strip())
    outline = None
    if masks:
        outline = None if polygon is None else [polygon]
        check_outline(outline, size)
    area = (box[2] - box[0]) * (box[3] - box[1])
    label, annotated = classes.label_of_source[int(category)], annotated_as(corners, box)
    return Object(label, box, area, segmentation=outline, annotated=annotated)


def _numbers_of(line: str) -> list[float]:
    """A class and four coordinates, or a class and the points of an outline."""
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError:
        raise Fault(Reason.BAD_FIELD, f"{shown(line)} holds something else than numbers") from None
    count = len(numbers)
    if count < 5 or count % 2 == 0:
        said = f"{shown(line)} has {count} values, expected 5: class x y width height, or a class and an outline"
        raise Fault(Reason.BAD_FIELD, said)
    if any(abs(number) > _FARTHEST for number in numbers[1:] if math.isfinite(number)):
        raise Fault(Reason.NOT_NORMALISED, f"{shown(line)} has coordinates that are no fractions of the picture")
    return numbers
