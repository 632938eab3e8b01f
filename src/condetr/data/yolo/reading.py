"""YOLO label files: a text file per image, a line per object: class, center x, center y, width, height.

Coordinates are fractions of the upright image. A longer line is an outline (x1 y1 x2 y2 ...), whose box is used, or a
box with keypoints or a score. An image without a label file, or with an empty one, has no objects.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from condetr.core.short_repr import short_repr
from condetr.data.box_clipping import clip_box, unclipped
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.discovery.disk import is_file
from condetr.data.discovery.image_paths import measure_image
from condetr.data.discovery.label_files import LabelFiles, labels_of, report_unused
from condetr.data.records import Dataset, Example, Object
from condetr.data.voc.reading import class_names_in
from condetr.data.yolo.columns import Columns, columns_of
from condetr.files.text import lines_of
from condetr.images.coco_labels.segmentation import check_segmentation
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
        classes: their ids are the numbers that lines begin with.
        root: the folder of the dataset.
        split: its name.
        masks: whether objects need an outline, checked here and kept.
        columns: what lines of more than five numbers hold; by default it is inferred from all lines.
        search: where missing label files are searched; by default ``root``.
    """
    report = DataReport()
    files = LabelFiles(images)
    texts = {labels: _text_of(labels) for labels in dict.fromkeys(files.of.values())}
    if columns is None:
        with report.at(root, split):
            columns = columns_of(_plausible_lines(texts.values()), outlines=masks)
    reader = _Reader(classes, columns or Columns(), masks=masks)
    examples: list[Example] = []
    for image_id, path in enumerate(images, start=1):
        labels = files.of.get(path)
        with report.at(path if labels is None else labels) as location:
            path, size = measure_image(path, root, location)
            if labels is None:
                searched = ", ".join(str(folder / f"{path.stem}.txt") for folder in files.folders_of(path))
                location.add(ProblemKind.NO_LABELS, f"has no label file; looked for {searched}")
                objects = []
            else:
                if path in files.renamed:
                    location.add(ProblemKind.CONVERTED_NAME, f"is used as the labels of {path.name}")
                objects = reader.read(texts[labels], size, location)
            examples.append(Example(path, size, image_id, tuple(objects)))
    report_unused(files, search or root, report)
    _report_shared(files, report)
    _report_voc_labels(files, report)
    return Dataset(tuple(examples), classes, root, split, report)


def _report_shared(files: LabelFiles, report: DataReport) -> None:
    owners = defaultdict[Path, list[Path]](list)
    for image, labels in files.of.items():
        owners[labels].append(image)
    for labels, images in owners.items():
        if len(images) > 1:
            names = ", ".join(image.name for image in images)
            report.add(ProblemKind.SHARED_LABELS, f"is used as the labels of each of {names}", source=labels)


def _report_voc_labels(files: LabelFiles, report: DataReport) -> None:
    """Report images whose only labels are Pascal VOC's, as when labelImg was switched halfway."""
    labeled = [
        labels
        for image in files.without
        for folder in files.folders_of(image)
        if is_file(labels := folder / f"{image.stem}.xml") and class_names_in(labels)
    ]
    if labeled:
        message = (
            f"{len(labeled)} images have no YOLO label file but objects in Pascal VOC's, such as {labeled[0]}:"
            " label them all in one format"
        )
        report.add(ProblemKind.UNUSED_LABELS, message, source=labeled[0])


def _text_of(labels: Path) -> str | DataProblem:
    try:
        return labels_of(labels)
    except DataProblem as problem:
        return problem


def _plausible_lines(texts: Iterable[str | DataProblem]) -> Iterator[list[float]]:
    """The numbers of lines with a box or more, as far as they are numbers; reading reports the others."""
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

    def read(self, text: str | DataProblem, size: HeightWidth, location: Location) -> list[Object]:
        """The objects of one image.

        Raises:
            DataProblem: the file could not be read.
        """
        if isinstance(text, DataProblem):
            raise text
        objects = []
        for number, line in enumerate(lines_of(text), start=1):
            if line.strip():
                location.item = f"line {number}"
                with location:
                    objects.append(self._object_of(line, size, location))
        return objects

    def _object_of(self, line: str, size: HeightWidth, location: Location) -> Object:
        category, *coordinates = _numbers_of(line, self._columns)
        if not category.is_integer() or int(category) not in self._classes.label_of_source:
            message = f"class {category:g} is not one of the {len(self._classes)} in names"
            raise DataProblem(ProblemKind.UNKNOWN_CATEGORY, message)
        height, width = size
        if self._columns.keypoints == len(coordinates) + 1:
            location.add(ProblemKind.KEYPOINTS, "has keypoints, which are ignored")
            coordinates = coordinates[:4]
        elif self._columns.scores:
            location.add(ProblemKind.SCORE, "has a score behind its box, as predictions have; the score is ignored")
            coordinates = coordinates[:4]
        if len(coordinates) == 4:
            x, y, across, down = coordinates
            corners, polygon = (x - across / 2, y - down / 2, x + across / 2, y + down / 2), None
        else:
            xs, ys = coordinates[::2], coordinates[1::2]
            finite = all(map(math.isfinite, coordinates))  # min and max would ignore a nan
            corners = (min(xs), min(ys), max(xs), max(ys)) if finite else (math.nan,) * 4
            polygon = [side for x, y in zip(xs, ys, strict=True) for side in (x * width, y * height)]
            location.add(ProblemKind.BOX_OF_OUTLINE, f"is an outline of {len(xs)} points, whose box is used")
        x1, y1, x2, y2 = corners
        corners = x1 * width, y1 * height, x2 * width, y2 * height
        box = clip_box(corners, size, location, stated=line.strip())
        outline = None
        if self._masks:
            outline = None if polygon is None else [polygon]
            check_segmentation(outline, size)
        area = (box[2] - box[0]) * (box[3] - box[1])
        label, annotated = self._classes.label_of_source[int(category)], unclipped(corners, box)
        return Object(label, box, area, segmentation=outline, annotated=annotated)


def _numbers_of(line: str, columns: Columns) -> list[float]:
    """A class and four coordinates, perhaps with keypoints; or a class and the points of an outline."""
    try:
        numbers = [_number_of(word) for word in line.split()]
    except ValueError:
        raise DataProblem(ProblemKind.BAD_FIELD, f"{short_repr(line)} holds something else than numbers") from None
    count = len(numbers)
    if columns.keypoints is not None and count not in (5, columns.keypoints):
        message = f"{short_repr(line)} has {count} values, expected 5, or {columns.keypoints} with keypoints"
        raise DataProblem(ProblemKind.BAD_FIELD, message)
    if columns.scores:
        return numbers  # all lines of the split are alike
    if columns.keypoints is None and (count < 5 or count % 2 == 0):
        expected = "expected 5: class x y width height, or a class and an outline"
        raise DataProblem(ProblemKind.BAD_FIELD, f"{short_repr(line)} has {count} values, {expected}")
    coordinates = numbers[1:5] if columns.keypoints is not None else numbers[1:]
    if any(abs(number) > _FARTHEST for number in coordinates if math.isfinite(number)):
        message = f"{short_repr(line)} has coordinates that are no fractions of the image"
        raise DataProblem(ProblemKind.NOT_NORMALISED, message)
    return numbers


def _number_of(word: str) -> float:
    if "_" in word:  # Python would read 0_5 as 5
        raise ValueError(word)
    return float(word)
