"""The lists that every COCO file has: its images and its categories."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from condetr.core.errors import AnnotationError
from condetr.data.checks.data_report import Fault, Place, Report, shown
from condetr.data.checks.problems import Reason
from condetr.data.classes import Classes, Id
from condetr.data.coco.json_fields import id_of, object_of
from condetr.data.discovery.image_paths import compare_size, find_image, is_image_of
from condetr.images.sizes import HeightWidth

_LISTS = ("images", "annotations", "categories")
_TRIED = 100  # images that are looked for to find their folder
Found: TypeAlias = dict[Id, tuple[Path, HeightWidth]]


def lists_of(content: Any, source: Path) -> Mapping[str, list[Any]]:
    """The content of a file that has images, annotations and categories.

    Raises:
        AnnotationError: one is missing, of the wrong kind, or there is nothing in it.
    """
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


def classes_of(categories: list[Any], source: Path, report: Report) -> Classes:
    """In the order of their ids, as everybody numbers COCO's 80."""
    named: dict[Id, str] = {}
    uncounted: set[Id] = set()
    names: set[str] = set()
    for position, given in enumerate(categories):
        place = report.place(source, f"categories[{position}]")
        try:
            _add_category(object_of(given), named, names, uncounted, place)
        except Fault as fault:
            place.add_fault(fault)
    ordered = sorted(named, key=lambda one: (isinstance(one, str), one))
    stuff = tuple(label for label, one in enumerate(ordered) if one in uncounted)
    return Classes(tuple(named[one] for one in ordered), tuple(ordered), stuff).distinct()


def _add_category(
    given: Mapping[str, Any], named: dict[Id, str], names: set[str], uncounted: set[Id], place: Place
) -> None:
    category, name = id_of(given, "id"), given.get("name")
    place.item = f"category {shown(category)}"
    if category in named:
        said = f"the category id {shown(category)} stands twice: {shown(named[category])} and {shown(name)}"
        raise Fault(Reason.DUPLICATE_CATEGORY_ID, said)
    if not isinstance(name, str) or not name.strip():
        raise Fault(Reason.BAD_FIELD, f"name is {shown(name)}, expected text")
    if name in names:
        place.add(Reason.DUPLICATE_NAME, f"the name {shown(name)} stands twice; all but the last get their id")
    if given.get("isthing", 1) not in (0, 1):
        raise Fault(Reason.BAD_FIELD, f"isthing is {shown(given['isthing'])}, expected 0 or 1")
    if not given.get("isthing", 1):
        uncounted.add(category)
    named[category] = name
    names.add(name)


def images_of(images: list[Any], root: Path, source: Path, report: Report) -> tuple[dict[Id, str], Found]:
    """The names of all images that are listed, and those of them that are there."""
    named: dict[Id, str] = {}
    found: Found = {}
    for position, given in enumerate(images):
        place = report.place(source, f"images[{position}]")
        try:
            _add_image(object_of(given), root, place, named, found)
        except Fault as fault:
            place.add_fault(fault)
    return named, found


def _add_image(given: Mapping[str, Any], root: Path, place: Place, named: dict[Id, str], found: Found) -> None:
    image_id, name = id_of(given, "id"), given.get("file_name")
    place.item = f"image {shown(image_id)}"
    if name is None:
        name = next((one for one in _names_of(given) if is_image_of(root, one)), next(iter(_names_of(given)), None))
        if name is not None:
            place.add(Reason.CONVERTED_NAME, f"has no file_name; of its coco_url {name} is taken")
    if image_id in named:
        said = f"the image id {shown(image_id)} stands twice: {named[image_id]} and {shown(name)}"
        raise Fault(Reason.DUPLICATE_IMAGE_ID, said)
    if given.get("neg_category_ids") is not None or given.get("not_exhaustive_category_ids"):
        place.add(Reason.NOT_EXHAUSTIVE, "is not searched for every class: an unlabeled object counts as background")
    named[image_id] = shown(name)
    found[image_id] = find_image(root, name, place)
    stated = given.get("width"), given.get("height")
    if stated != (None, None):
        compare_size(stated, *found[image_id], place)


def likeliest(folders: Sequence[Path], images: list[Any]) -> Path:
    """The folder that most of the first files are in; the first folder where that does not tell."""
    names = [_names_of(one) for one in images[:_TRIED] if isinstance(one, Mapping)]
    return max(folders, key=lambda folder: sum(any(is_image_of(folder, one) for one in some) for some in names))


def _names_of(given: Mapping[str, Any]) -> list[str]:
    """What the image may be called: LVIS has no `file_name`, but a URL that ends in `train2017/0001.jpg`."""
    name, url = given.get("file_name"), given.get("coco_url")
    if name is not None or not isinstance(url, str):
        return [name] if isinstance(name, str) else []
    parts = url.partition("://")[2].split("/")
    return ["/".join(parts[-count:]) for count in (2, 1) if len(parts) > count and parts[-1]]
