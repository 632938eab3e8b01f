"""What shards hold, whatever their format: images in parts of them, each with records of its objects."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from condetr.core.errors import ImageError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.discovery.disk import is_file
from condetr.data.discovery.layout import Layout
from condetr.data.hub_datasets import BOX_FIELDS, CLASS_FIELDS
from condetr.data.records import Dataset, Example
from condetr.data.stored_images import ImagePart, StoredImage
from condetr.data.tools.labels import LabeledImage, classes_of, objects_of
from condetr.data.tools.shapes import Shape
from condetr.files.text import text_of
from condetr.images.coco_labels.fields import FieldError, mapping_of, number_of
from condetr.images.decoding.headers import upright_size
from condetr.images.sizes import HeightWidth

OBJECT_FIELDS = ("objects", "annotations")
_NAME_FILES = ("classes.txt", "labels.txt", "names.txt")
EXPECTED = "expected objects (or annotations) with bbox (x, y, width, height in pixels) and category"


@dataclass(frozen=True, slots=True)
class ShardImage:
    """An image of a shard.

    Attributes:
        shard: the file.
        path: of the image, in the file as if that were a folder.
        part: in the file.
        records: of its objects, read when they are used; raises FieldError.
    """

    shard: Path
    path: Path
    part: ImagePart
    records: Callable[[], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class ShardSplit:
    """The images of one split, what was left out while its shards were listed, and names of classes by their ids."""

    images: list[ShardImage] = field(default_factory=list)
    report: DataReport = field(default_factory=DataReport)
    names: dict[int, str] = field(default_factory=dict)


def shard_layout(
    name: str, folder: Path, files: Mapping[str, Sequence[Path]], list_shards: Callable[[Sequence[Path]], ShardSplit]
) -> Layout:
    """How to read a dataset.

    Args:
        name: of the format.
        folder: of the dataset.
        files: the shards of each split.
        list_shards: finds their images; called when the first split is read.
    """
    listed = cache(lambda: {split: list_shards(paths) for split, paths in files.items()})
    classes = cache(lambda: _classes_of(folder, listed()))

    def read(*, split: str, masks: bool = False) -> Dataset:
        return _read(listed()[split], *classes(), folder, split, masks=masks)

    return Layout(name, folder, dict.fromkeys(files, read))


def records_of(content: Any) -> Sequence[Any]:
    """The records of an image's objects: a list of mappings, or a mapping of lists, perhaps in a field of their own.

    Raises:
        FieldError: there are none.
    """
    if isinstance(content, Mapping):
        found = next((content[name] for name in OBJECT_FIELDS if name in content), content)
        content = _transposed(found) if isinstance(found, Mapping) else found
    if content is None:
        return ()
    if not isinstance(content, list):
        raise FieldError(f"has objects {short_repr(content)}; {EXPECTED}")
    return content


def _transposed(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    boxes = next((columns[name] for name in BOX_FIELDS if name in columns), None)
    if not isinstance(boxes, list):
        raise FieldError(f"has the fields {short_repr(list(columns))}; {EXPECTED}")
    lists = {name: values for name, values in columns.items() if isinstance(values, list)}
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        raise FieldError(f"has fields of different lengths: {short_repr(lengths)}")
    return [{name: values[number] for name, values in lists.items()} for number in range(len(boxes))]


def _classes_of(folder: Path, splits: Mapping[str, ShardSplit]) -> tuple[Classes, dict[int, str]]:
    """One table of classes for all splits, and the names of numbered ones."""
    names = {number: name for split in splits.values() for number, name in split.names.items()}
    if (file := next((folder / name for name in _NAME_FILES if is_file(folder / name)), None)) is not None:
        names = dict(enumerate(line.strip() for line in text_of(file).splitlines() if line.strip()))
    used = {_class_of(record) for split in splits.values() for record in _all_records(split)} - {None}
    numbers = sorted({value for value in used if isinstance(value, int)} | names.keys())
    texts = sorted({str(value) for value in used if isinstance(value, str)})
    ordered = [names.get(number, str(number)) for number in numbers]
    return classes_of([*ordered, *(text for text in texts if text not in ordered)]), names


def _all_records(split: ShardSplit) -> Iterator[Any]:
    for image in split.images:
        try:
            yield from image.records()
        except FieldError:
            continue  # reported when the image is read


def _class_of(record: object) -> int | str | None:
    if not isinstance(record, Mapping):
        return None
    value = next((record[name] for name in CLASS_FIELDS if record.get(name) is not None), None)
    if isinstance(value, str):
        return value.strip() or None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read(
    listed: ShardSplit, classes: Classes, names: Mapping[int, str], root: Path, split: str, *, masks: bool
) -> Dataset:
    report = DataReport()
    report.merge(listed.report)
    examples: dict[Path, Example] = {}
    shape_of = partial(_shape_of, names)
    for number, image in enumerate(listed.images, start=1):
        with report.at(image.shard, image.path.relative_to(image.shard).as_posix()) as location:
            if image.path in examples:
                message = "is there a second time; the first is used"
                raise DataProblem(ProblemKind.REPEATED_PICTURE, message)
            try:
                size = upright_size(StoredImage(image.path, image.part))
            except ImageError as error:
                raise DataProblem(ProblemKind.UNREADABLE_PICTURE, error.reason) from error
            labeled = LabeledImage(image.path.name, image.shard, location.item, image.records())
            objects, crowds = objects_of(labeled, classes, shape_of, size, location, masks=masks)
            examples[image.path] = Example(image.path, size, number, tuple(objects), tuple(crowds), part=image.part)
    return Dataset(tuple(examples.values()), classes, root, split, report)


def _shape_of(names: Mapping[int, str], record: Any, size: HeightWidth, location: Location) -> Shape:  # noqa: ARG001
    fields = mapping_of(record)
    box = next((fields[name] for name in BOX_FIELDS if name in fields), None)
    if not isinstance(box, list) or len(box) != 4:
        raise FieldError(f"has the box {short_repr(box)}, expected x, y, width and height")
    x, y, width, height = (number_of(side, "bbox", finite=False) for side in box)
    label = _class_of(fields)
    if label is None:
        raise DataProblem(ProblemKind.NO_CLASS, "has no category")
    name = label if isinstance(label, str) else names.get(label, str(label))
    crowd = any(fields.get(field) in (1, True) for field in ("iscrowd", "is_crowd"))
    segmentation = fields.get("segmentation")
    return Shape(name, (x, y, x + width, y + height), segmentation, crowd=crowd)


def names_of_categories(content: Any) -> dict[int, str]:
    """The names of categories as COCO lists them."""
    rows = content.get("categories") if isinstance(content, Mapping) else None
    pairs: Iterable[tuple[Any, Any]] = (
        (row.get("id"), row.get("name")) for row in (rows if isinstance(rows, list) else ()) if isinstance(row, Mapping)
    )
    return {number: name for number, name in pairs if isinstance(number, int) and isinstance(name, str)}
