"""The lists that every COCO file has: its images and its categories."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from condetr.core.errors import AnnotationError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes, Id
from condetr.data.discovery.disk import found_below
from condetr.data.discovery.image_paths import compare_size, find_image, is_image_of
from condetr.images.coco_labels.fields import id_of, mapping_of
from condetr.images.sizes import HeightWidth

_LISTS = ("images", "annotations", "categories")
_TRIED = 100  # images whose files are looked up to find their folder
ImageFiles: TypeAlias = dict[Id, tuple[Path, HeightWidth]]


def lists_of(content: Any, source: Path) -> Mapping[str, list[Any]]:
    """The images, annotations and categories of a file.

    Raises:
        AnnotationError: one is missing, of the wrong kind, or empty.
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
    return {key: content[key] for key in _LISTS}


def classes_of(categories: list[Any], source: Path, report: DataReport) -> Classes:
    """In the order of their ids, which is how COCO's 80 are usually numbered."""
    names: dict[Id, str] = {}
    stuff: set[Id] = set()
    for position, category in enumerate(categories):
        with report.at(source, f"categories[{position}]") as location:
            _add_category(mapping_of(category), names, stuff, location)
    ids = sorted(names, key=lambda source_id: (isinstance(source_id, str), source_id))
    labels = tuple(label for label, source_id in enumerate(ids) if source_id in stuff)
    return Classes(tuple(names[source_id] for source_id in ids), tuple(ids), labels).distinct()


def _add_category(record: Mapping[str, Any], names: dict[Id, str], stuff: set[Id], location: Location) -> None:
    category, name = id_of(record, "id"), record.get("name")
    location.item = f"category {short_repr(category)}"
    if category in names:
        message = f"duplicate category id {short_repr(category)}: {short_repr(names[category])} and {short_repr(name)}"
        raise DataProblem(ProblemKind.DUPLICATE_CATEGORY_ID, message)
    if not isinstance(name, str) or not name.strip():
        raise DataProblem(ProblemKind.BAD_FIELD, f"has name {short_repr(name)}, expected text")
    if name in names.values():
        message = f"duplicate name {short_repr(name)}; all but the last get their id as a suffix"
        location.add(ProblemKind.DUPLICATE_NAME, message)
    if record.get("isthing", 1) not in (0, 1):
        raise DataProblem(ProblemKind.BAD_FIELD, f"has isthing {short_repr(record['isthing'])}, expected 0 or 1")
    if not record.get("isthing", 1):
        stuff.add(category)
    names[category] = name


def images_of(images: list[Any], root: Path, source: Path, report: DataReport) -> tuple[dict[Id, str], ImageFiles]:
    """The names of all images that are listed, and the files of those that exist."""
    names: dict[Id, str] = {}
    files: ImageFiles = {}
    written: dict[Path, str] = {}  # as the file writes their names
    for position, image in enumerate(images):
        with report.at(source, f"images[{position}]") as location:
            _add_image(mapping_of(image), root, location, names, files, written)
    return names, files


def _add_image(
    record: Mapping[str, Any],
    root: Path,
    location: Location,
    names: dict[Id, str],
    files: ImageFiles,
    written: dict[Path, str],
) -> None:
    image_id, name = id_of(record, "id"), record.get("file_name")
    location.item = f"image {short_repr(image_id)}"
    if name is None:
        possible = _names_of(record)
        name = next((other for other in possible if is_image_of(root, other)), next(iter(possible), None))
        if name is not None:
            location.add(ProblemKind.CONVERTED_NAME, f"has no file_name; {name} of its coco_url is used")
    if image_id in names:
        message = f"duplicate image id {short_repr(image_id)}: {names[image_id]} and {short_repr(name)}"
        raise DataProblem(ProblemKind.DUPLICATE_IMAGE_ID, message)
    if record.get("neg_category_ids") is not None or record.get("not_exhaustive_category_ids"):
        message = "is not labeled for every class: an unlabeled object counts as background"
        location.add(ProblemKind.NOT_EXHAUSTIVE, message)
    names[image_id] = short_repr(name)
    path, size = find_image(root, name, location)
    other = written.setdefault(path, str(name))
    if other != name:  # train/1.jpg and val/1.jpg of another machine, where only 1.jpg is here
        message = f"file_name {short_repr(name)} is read as {path.name}, and so is {short_repr(other)}"
        raise DataProblem(ProblemKind.BAD_FIELD, message)
    files[image_id] = path, size
    stated = record.get("width"), record.get("height")
    if stated != (None, None):
        compare_size(stated, path, size, location)


def likeliest(folders: Sequence[Path], images: list[Any]) -> Path:
    """The folder that holds most of the first files, by their names, or else by their ends; of several, the first."""
    names = [_names_of(image) for image in images[:_TRIED] if isinstance(image, Mapping)]

    def held(folder: Path) -> tuple[int, int]:
        exact = sum(any(is_image_of(folder, name) for name in some) for some in names)
        return exact, sum(any(found_below(folder, name) is not None for name in some) for some in names)

    return max(folders, key=held)


def _names_of(record: Mapping[str, Any]) -> list[str]:
    """Possible names of an image file: LVIS has no `file_name`, but a URL that ends in `train2017/0001.jpg`."""
    name, url = record.get("file_name"), record.get("coco_url")
    if name is not None or not isinstance(url, str):
        return [name] if isinstance(name, str) else []
    parts = url.partition("://")[2].split("/")
    return ["/".join(parts[-count:]) for count in (2, 1) if len(parts) > count and parts[-1]]
