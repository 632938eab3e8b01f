"""YOLO label files: for each image a text file, a line an object: class, center x, center y, width, height.

Coordinates are fractions of the upright image. A line of more numbers is an outline (x1 y1 x2 y2 ...), whose
box is taken, or a box with keypoints or a score. An image without a label file, or with an empty one, has no objects.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from condetr.data.checks.data_report import Fault, Place, Report, shown
from condetr.data.checks.problems import Reason
from condetr.data.classes import Classes
from condetr.data.coco.outlines import check_outline
from condetr.data.discovery.disk import is_file
from condetr.data.discovery.image_paths import measure_image
from condetr.data.discovery.label_files import LabelFiles, labels_of, tell_unused
from condetr.data.geometry import annotated_as, box_inside
from condetr.data.records import Dataset, Example, Object
from condetr.data.voc.reading import class_names_in
from condetr.data.yolo.columns import Columns, columns_of
from condetr.files.text import lines_of
from condetr.images.sizes import HeightWidth

_FARTHEST = 2.0  # a coordinate beyond it is in pixels, or nonsense


def read_yolo(
    images: Sequence[Path],
    classes: Classes,
    root: Path,
    *,
    split: str = "all",
    masks: bool = False,
    columns: Columns | None = None,
    search: Path | None = None,
) -> Dataset:
    """Images and the objects of their label files.

    Args:
        images: absolute paths below ``root``.
        classes: ids are those that the lines begin with.
        root: the folder of the data set.
        split: what to call it.
        masks: whether objects need an outline, checked here and kept.
        columns: what lines of more than five numbers hold; by default it is judged by all lines.
        search: where labels that are missing are looked for; by default ``root``.
    """
    report = Report()
    files = LabelFiles(images)
    texts = {labels: _text_of(labels) for labels in dict.fromkeys(files.of.values())}
    if columns is None:
        try:
            columns = columns_of(_plausible_lines(texts.values()), outlines=masks)
        except Fault as fault:
            report.place(root, split).add_fault(fault)
            columns = Columns()
    reader = _Reader(classes, columns, masks=masks)
    examples: list[Example] = []
    for image_id, path in enumerate(images, start=1):
        labels = files.of.get(path)
        place = report.place(path if labels is None else labels)
        try:
            path, size = measure_image(path, root, place)
            if labels is None:
                looked = ", ".join(str(one / f"{path.stem}.txt") for one in files.places_of(path))
                place.add(Reason.NO_LABELS, f"has no label file; looked for {looked}")
                objects = []
            else:
                if path in files.renamed:
                    place.add(Reason.CONVERTED_NAME, f"is taken for the labels of {path.name}")
                objects = reader.read(texts[labels], size, place)
        except Fault as fault:
            place.item = None
            place.add_fault(fault)
        else:
            examples.append(Example(path, size, image_id, tuple(objects)))
    tell_unused(files, search or root, report)
    _tell_shared(files, report)
    _tell_labels_of_voc(files, report)
    return Dataset(tuple(examples), classes, root, split, report)


def _tell_shared(files: LabelFiles, report: Report) -> None:
    owners = defaultdict[Path, list[Path]](list)
    for image, labels in files.of.items():
        owners[labels].append(image)
    for labels, images in owners.items():
        if len(images) > 1:
            names = ", ".join(image.name for image in images)
            report.add(Reason.SHARED_LABELS, f"is taken for each of {names}", source=labels)


def _tell_labels_of_voc(files: LabelFiles, report: Report) -> None:
    """Images whose only labels are of the other format, as where labelImg was switched halfway."""
    labelled = [
        labels
        for image in files.without
        for place in files.places_of(image)
        if is_file(labels := place / f"{image.stem}.xml") and class_names_in(labels)
    ]
    if labelled:
        said = (
            f"{len(labelled)} images have no YOLO label file but objects in Pascal VOC's, such as {labelled[0]}:"
            " label them all in one format"
        )
        report.add(Reason.UNUSED_LABELS, said, source=labelled[0])


def _text_of(labels: Path) -> str | Fault:
    try:
        return labels_of(labels)
    except Fault as fault:
        return fault


def _plausible_lines(texts: Iterable[str | Fault]) -> Iterator[list[float]]:
    """The numbers of lines with a box or more, as far as they are numbers; reading tells of the others."""
    for text in texts:
        for line in lines_of(text) if isinstance(text, str) else ():
            words = line.split()
            if len(words) >= 5:
                try:
                    yield [float(word) for word in words]
                except ValueError:
                    continue


class _Reader:
    """Reads the text of label files of one split."""

    def __init__(self, classes: Classes, columns: Columns, *, masks: bool) -> None:
        self._classes, self._columns, self._masks = classes, columns, masks

    def read(self, text: str | Fault, size: HeightWidth, place: Place) -> list[Object]:
        """The objects of one image.

        Raises:
            Fault: the file could not be read.
        """
        if isinstance(text, Fault):
            raise text
        found = []
        for number, line in enumerate(lines_of(text), start=1):
            if not line.strip():
                continue
            place.item = f"line {number}"
            try:
                found.append(self._object_of(line, size, place))
            except Fault as fault:
                place.add_fault(fault)
        return found

    def _object_of(self, line: str, size: HeightWidth, place: Place) -> Object:
        category, *coordinates = _numbers_of(line, self._columns)
        if not category.is_integer() or int(category) not in self._classes.label_of_source:
            raise Fault(Reason.UNKNOWN_CATEGORY, f"class {category:g} is not one of the {len(self._classes)} in names")
        height, width = size
        if self._columns.keypoints == len(coordinates) + 1:
            place.add(Reason.KEYPOINTS, "has keypoints, which are passed over")
            coordinates = coordinates[:4]
        elif self._columns.scores:
            place.add(Reason.SCORE, "has a score behind its box, as predictions have; the score is passed over")
            coordinates = coordinates[:4]
        if len(coordinates) == 4:
            x, y, across, down = coordinates
            corners, polygon = (x - across / 2, y - down / 2, x + across / 2, y + down / 2), None
        else:
            xs, ys = coordinates[::2], coordinates[1::2]
            known = all(map(math.isfinite, coordinates))  # min and max would pass over a nan
            corners = (min(xs), min(ys), max(xs), max(ys)) if known else (math.nan,) * 4
            polygon = [side for x, y in zip(xs, ys, strict=True) for side in (x * width, y * height)]
            place.add(Reason.BOX_OF_OUTLINE, f"is an outline of {len(xs)} points, whose box is taken")
        x1, y1, x2, y2 = corners
        corners = x1 * width, y1 * height, x2 * width, y2 * height
        box = box_inside(corners, size, place, given=line.strip())
        outline = None
        if self._masks:
            outline = None if polygon is None else [polygon]
            check_outline(outline, size)
        area = (box[2] - box[0]) * (box[3] - box[1])
        label, annotated = self._classes.label_of_source[int(category)], annotated_as(corners, box)
        return Object(label, box, area, segmentation=outline, annotated=annotated)


def _numbers_of(line: str, columns: Columns) -> list[float]:
    """A class and four coordinates, perhaps with keypoints; or a class and the points of an outline."""
    try:
        numbers = [_number_of(word) for word in line.split()]
    except ValueError:
        raise Fault(Reason.BAD_FIELD, f"{shown(line)} holds something else than numbers") from None
    count = len(numbers)
    if columns.keypoints is not None and count not in (5, columns.keypoints):
        said = f"{shown(line)} has {count} values, expected 5, or {columns.keypoints} with keypoints"
        raise Fault(Reason.BAD_FIELD, said)
    if columns.scores:
        return numbers  # all lines of the split are alike
    if columns.keypoints is None and (count < 5 or count % 2 == 0):
        said = f"{shown(line)} has {count} values, expected 5: class x y width height, or a class and an outline"
        raise Fault(Reason.BAD_FIELD, said)
    coordinates = numbers[1:5] if columns.keypoints is not None else numbers[1:]
    if any(abs(number) > _FARTHEST for number in coordinates if math.isfinite(number)):
        raise Fault(Reason.NOT_NORMALISED, f"{shown(line)} has coordinates that are no fractions of the image")
    return numbers


def _number_of(word: str) -> float:
    if "_" in word:  # Python would take 0_5 for 5
        raise ValueError(word)
    return float(word)
