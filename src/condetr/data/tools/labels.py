"""What every labeling tool stores, in its own words: names of images, and records of the objects in them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

from condetr.core.short_repr import short_repr
from condetr.data.box_clipping import clip_box, unclipped
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.discovery.image_paths import compare_size, measure_image
from condetr.data.discovery.layout import Layout
from condetr.data.records import Dataset, Example, Object
from condetr.data.tools.image_search import ImageSearch, image_key
from condetr.data.tools.shapes import Shape
from condetr.data.unpacked_images import unpacked
from condetr.images.coco_labels.segmentation import check_segmentation
from condetr.images.sizes import HeightWidth

ReadShape: TypeAlias = Callable[[Any, HeightWidth, Location], Shape | None]


@dataclass(frozen=True, slots=True)
class LabeledImage:
    """An image as a label file names it.

    Attributes:
        name: of the image file, perhaps with folders of another machine, or a URL; checked when it is looked for.
        source: the label file.
        item: the image's place in that file, for messages.
        records: one per object, in the form of the tool.
        size: (width, height) as the file states it.
        folder: a name of a folder that decides between images of the same name.
        other_name: which is looked for if there is no image of this name.
        embedded: the content of an image that the label file holds, used if there is no image file.
    """

    name: object
    source: Path
    item: str | None
    records: Sequence[Any]
    size: tuple[object, object] | None = None
    folder: str | None = None
    other_name: str | None = None
    embedded: Callable[[], bytes] | None = None


@dataclass(frozen=True)
class SplitLabels:
    """The images of one split, and what was left out while its files were read."""

    images: list[LabeledImage] = field(default_factory=list)
    report: DataReport = field(default_factory=DataReport)


@dataclass(frozen=True)
class ToolLabels:
    """All splits of a dataset, with one table of classes."""

    classes: Classes
    splits: Mapping[str, SplitLabels]


def tool_layout(
    name: str,
    folder: Path,
    splits: Sequence[str],
    labels: Callable[[], ToolLabels],
    read_shape: ReadShape,
    *,
    one_an_image: bool = False,
) -> Layout:
    """How to read a dataset of a tool.

    Args:
        name: of the format.
        folder: below which the images are.
        splits: their names.
        labels: reads the label files; called when the first split is read.
        read_shape: the shape of a record in an image of this (height, width), or None for one that is no object, after
            reporting it; raises DataProblem, FieldError or SegmentationError for one that cannot be used.
        one_an_image: whether each image has a label file, so that those without are reported.
    """
    labels, search = cache(labels), ImageSearch(folder)
    read = partial(_read, labels, search, read_shape, splits[0], one_an_image=one_an_image)
    return Layout(name, folder, dict.fromkeys(splits, read))


def _read(
    labels: Callable[[], ToolLabels],
    search: ImageSearch,
    read_shape: ReadShape,
    first: str,
    *,
    one_an_image: bool,
    split: str,
    masks: bool = False,
) -> Dataset:
    classes, part, report = labels().classes, labels().splits[split], DataReport()
    examples: dict[Path, Example] = {}
    for number, image in enumerate(part.images, start=1):
        with report.at(image.source, image.item) as location:
            path, size = _find(image, search, location, split)
            if path in examples:
                message = f"{short_repr(image.name)} is labeled a second time; the first labels are used"
                raise DataProblem(ProblemKind.REPEATED_PICTURE, message)
            if image.size is not None:
                compare_size(image.size, path, size, location)
            objects, crowds = objects_of(image, classes, read_shape, size, location, masks=masks)
            examples[path] = Example(path, size, number, tuple(objects), tuple(crowds))
    unlabeled, folders = _unlabeled(search, labels()), {path.parent for path in examples}
    if one_an_image:
        for path in unlabeled:
            if path.parent in folders:
                report.add(ProblemKind.MISSING_LABELS, "has no labels", source=path)
    elif unlabeled and split == first:
        message = f"{len(unlabeled)} images are in no label file, such as {unlabeled[0].relative_to(search.root)}"
        report.add(ProblemKind.NO_SPLIT, message, source=search.root)
    report.merge(part.report)
    if split == first:
        report.merge(search.report)
    return Dataset(tuple(examples.values()), classes, search.root, split, report)


def _unlabeled(search: ImageSearch, labels: ToolLabels) -> list[Path]:
    """The images that no label file of any split names."""
    images = [image for part in labels.splits.values() for image in part.images]
    names = (name for image in images for name in (image.name, image.other_name) if isinstance(name, str))
    keys = set(map(image_key, names))
    return [path for path in search.images if image_key(path.name) not in keys]


def _find(image: LabeledImage, search: ImageSearch, location: Location, split: str) -> tuple[Path, HeightWidth]:
    """The image file and its upright (height, width): by its name, by its other name, or unpacked."""
    beside = image.source.parent
    try:
        return search.find(image.name, beside, location, folder=image.folder or split)
    except DataProblem as problem:
        if problem.kind not in (ProblemKind.MISSING_PICTURE, ProblemKind.BAD_FIELD):
            raise
        if image.other_name is not None and image.other_name != image.name:
            with suppress(DataProblem):
                found = search.find(image.other_name, beside, location)
                location.add(ProblemKind.OTHER_NAME, f"names the image {short_repr(image.name)}, which is not there")
                return found
        if image.embedded is None:
            raise
        path = unpacked(image.embedded())
        location.add(ProblemKind.EMBEDDED_IMAGE, f"{problem}; that in the label file is unpacked to {path}")
        return measure_image(path, path.parent, location)


def objects_of(
    image: LabeledImage,
    classes: Classes,
    read_shape: ReadShape,
    size: HeightWidth,
    location: Location,
    *,
    masks: bool,
) -> tuple[list[Object], list[Object]]:
    """Objects and crowds; what cannot be used is reported."""
    objects, crowds = list[Object](), list[Object]()
    where = f"{image.item}: " if image.item else ""
    for number, record in enumerate(image.records, start=1):
        location.item = f"{where}object {number}"
        with location:
            shape = read_shape(record, size, location)
            if shape is None:
                continue
            location.item += f" ({short_repr(shape.name)})"
            (crowds if shape.crowd else objects).append(_object_of(shape, classes, size, location, masks=masks))
    location.item = image.item
    return objects, crowds


def _object_of(shape: Shape, classes: Classes, size: HeightWidth, location: Location, *, masks: bool) -> Object:
    if shape.name not in classes.label_of_source:
        message = f"{short_repr(shape.name)} is not one of {short_repr(list(classes.names))}"
        raise DataProblem(ProblemKind.UNKNOWN_CATEGORY, message)
    box = clip_box(shape.corners, size, location, stated=tuple(round(side, 3) for side in shape.corners))
    if masks:
        check_segmentation(shape.segmentation, size)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return Object(
        classes.label_of_source[shape.name],
        box,
        area,
        segmentation=shape.segmentation if masks else None,
        annotated=unclipped(shape.corners, box),
        marks=shape.marks,
    )


def classes_of(names: Sequence[str]) -> Classes:
    """Classes that their tool knows by name only."""
    ordered = tuple(dict.fromkeys(names))
    return Classes(ordered, source_ids=ordered)
