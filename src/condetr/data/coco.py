"""COCO detection annotations (https://cocodataset.org/#format-data): one JSON file, pictures in a folder.

Boxes are x, y, width, height in pixels of the upright picture. Where ``width`` and ``height`` of the file
contradict the picture, the picture is right, and the report says so: boxes drawn on a picture that EXIF turns,
by a tool that does not turn it, show up there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from condetr.core.errors import AnnotationError
from condetr.data.classes import Classes, Id
from condetr.data.coco_objects import ObjectReader
from condetr.data.fields import id_of, object_of
from condetr.data.reasons import Reason
from condetr.data.records import Dataset, Example
from condetr.data.report import Fault, Place, Report, shown
from condetr.data.strict_json import read_json
from condetr.data.whereabouts import compare_size, find_picture, is_picture_of
from condetr.images.sizes import HeightWidth

_LISTS = ("images", "annotations", "categories")
_TRIED = 100  # pictures that are looked for to find their folder
_Found: TypeAlias = dict[Id, tuple[Path, HeightWidth]]


def read_coco(annotations: Path, folders: Sequence[Path], *, split: str = "all", masks: bool = False) -> Dataset:
    """Everything usable; what is not is in the report, and may still have to be refused (`Report.refuse`).

    Args:
        annotations: the JSON file.
        folders: where the pictures may be; one of them is what ``file_name`` starts from.
        split: what to call the data set.
        masks: whether objects need a segmentation, checked here and kept.

    Raises:
        AnnotationError: the file is not COCO detection JSON.
        StorageError: it cannot be read.
    """
    content = _lists_of(read_json(annotations, trim=None if masks else _without_segmentation), annotations)
    report, pictures = Report(), _likeliest(folders, content["images"]).absolute()
    classes = _classes_of(content["categories"], annotations, report)
    named, found = _pictures_of(content["images"], pictures, annotations, report)
    reader = ObjectReader(classes, named, found, masks=masks)
    for position, given in enumerate(content["annotations"]):
        place = report.place(annotations, f"annotations[{position}]")
        try:
            reader.read(given, place)
        except Fault as fault:
            place.add_fault(fault)
    examples = tuple(
        Example(path, size, image_id, tuple(reader.objects[image_id]), tuple(reader.crowds[image_id]))
        for image_id, (path, size) in found.items()
    )
    return Dataset(examples, classes, pictures, split, report)


def _without_segmentation(table: dict[str, Any]) -> dict[str, Any]:
    """Outlines are most of a COCO file, and boxes need them only where they are missing."""
    if table.get("bbox") is not None:
        table.pop("segmentation", None)
    return table


def _lists_of(content: Any, source: Path) -> Mapping[str, list[Any]]:
    if not isinstance(content, Mapping):
        reason = f"holds a {type(content).__name__}, expected an object with images, annotations and categories"
        raise AnnotationError(reason, source=source)
    for key in _LISTS:
        if not isinstance(content.get(key), list):
            reason = f"is {type(content[key]).__name__}, expected a list" if key in content else f"has no {key}"
            raise AnnotationError(reason, source=source, item=key, hint="COCO needs images, annotations, categories")
    for key in ("images", "categories"):
        if not content[key]:
            raise AnnotationError("is empty, so there is nothing to learn", source=source, item=key)
    return content


def _classes_of(categories: list[Any], source: Path, report: Report) -> Classes:
    """In the order of their ids, as everybody numbers COCO's 80."""
    named: dict[Id, str] = {}
    for position, given in enumerate(categories):
        place = report.place(source, f"categories[{position}]")
        try:
            _add_category(object_of(given), named, place)
        except Fault as fault:
            place.add_fault(fault)
    ordered = sorted(named, key=lambda one: (isinstance(one, str), one))
    return Classes(tuple(named[one] for one in ordered), tuple(ordered))


def _add_category(given: Mapping[str, Any], named: dict[Id, str], place: Place) -> None:
    category, name = id_of(given, "id"), given.get("name")
    place.item = f"category {shown(category)}"
    if category in named:
        said = f"the category id {shown(category)} stands twice: {shown(named[category])} and {shown(name)}"
        raise Fault(Reason.DUPLICATE_CATEGORY_ID, said)
    if not isinstance(name, str) or not name.strip():
        raise Fault(Reason.BAD_FIELD, f"name is {shown(name)}, expected text")
    if name in named.values():
        place.add(Reason.DUPLICATE_NAME, f"the name {shown(name)} stands twice")
    named[category] = name


def _pictures_of(images: list[Any], root: Path, source: Path, report: Report) -> tuple[dict[Id, str], _Found]:
    """The names of all pictures that are listed, and those of them that are there."""
    named: dict[Id, str] = {}
    found: _Found = {}
    for position, given in enumerate(images):
        place = report.place(source, f"images[{position}]")
        try:
            _add_picture(object_of(given), root, place, named, found)
        except Fault as fault:
            place.add_fault(fault)
    return named, found


def _add_picture(given: Mapping[str, Any], root: Path, place: Place, named: dict[Id, str], found: _Found) -> None:
    image_id, name = id_of(given, "id"), given.get("file_name")
    place.item = f"image {shown(image_id)}"
    if image_id in named:
        said = f"the image id {shown(image_id)} stands twice: {named[image_id]} and {shown(name)}"
        raise Fault(Reason.DUPLICATE_IMAGE_ID, said)
    named[image_id] = shown(name)
    found[image_id] = find_picture(root, name, place)
    stated = given.get("width"), given.get("height")
    if stated != (None, None):
        compare_size(stated, *found[image_id], place)


def _likeliest(folders: Sequence[Path], images: list[Any]) -> Path:
    """The folder that most of the first pictures are in; the first folder where that does not tell."""
    names = [one["file_name"] for one in images[:_TRIED] if isinstance(one, Mapping) and "file_name" in one]
    return max(folders, key=lambda folder: sum(is_picture_of(folder, name) for name in names))
