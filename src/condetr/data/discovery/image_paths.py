"""Where an image that a label file names lies on this disk: inside of its folder, or nowhere."""

import os
import unicodedata
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from condetr.core.errors import ImageError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.disk import absence_of, found_below, is_file, slashed, walk
from condetr.files.inside import exists, path_inside
from condetr.images.coco_labels.fields import file_name_of
from condetr.images.decoding.headers import upright_size
from condetr.images.file_endings import has_image_ending
from condetr.images.sizes import HeightWidth


def find_image(root: Path, name: object, location: Location) -> tuple[Path, HeightWidth]:
    """The image that a ``file_name`` means, and its upright (height, width).

    A path of another machine or folder means the longest end of it that exists below ``root``.

    Raises:
        DataProblem, FieldError, OutsideFolderError: it is no name, leads out of ``root``, or there is no image there.
    """
    name = file_name_of({"file_name": name})
    if "://" in name or name.startswith("data:"):
        message = f"has the URL {short_repr(name)} as file_name; images are read from disk only"
        raise DataProblem(ProblemKind.URL_PICTURE, message)
    local = _local_spelling(root, name)
    if not is_image_of(root, local):  # of another machine or folder
        ending = found_below(root, local)
        local = local if ending is None else ending.relative_to(root).as_posix()
    if local != name:
        location.add(ProblemKind.CONVERTED_NAME, f"file_name {short_repr(name)} is read as {short_repr(local)}")
    return measure_image(path_inside(root, local), root, location)


def measure_image(path: Path, root: Path, location: Location) -> tuple[Path, HeightWidth]:
    """The path of an image, which is inside of ``root`` by its name, and its upright (height, width)."""
    if not exists(path):
        near = _same_but_case(path)
        message = f"{path} {absence_of(path)}" + (f"; there is {near}" if near else "")
        raise DataProblem(ProblemKind.MISSING_PICTURE, message)
    real = Path(os.path.realpath(path)) if path.is_symlink() else path
    if real != path and not real.is_relative_to(os.path.realpath(root)):
        location.add(ProblemKind.LINKED_PICTURE, f"{path} is a link to {real}")
    try:
        return path, upright_size(path)
    except ImageError as error:
        raise DataProblem(ProblemKind.UNREADABLE_PICTURE, f"{path} {error.reason}") from error


def compare_size(stated: tuple[object, object], path: Path, size: HeightWidth, location: Location) -> None:
    """Report a stated (width, height) that is not that of the upright image."""
    height, width = size
    if stated != (width, height):
        turned = "; it is the size before EXIF turns it: check its boxes" if stated == (height, width) else ""
        values = f"{short_repr(stated[0])}x{short_repr(stated[1])}"
        message = f"width x height is {values}, {path.name} is {width}x{height}{turned}"
        location.add(ProblemKind.WRONG_SIZE, message)


def is_image_of(root: Path, name: object) -> bool:
    """Whether there is a file of this name below ``root``."""
    try:
        return isinstance(name, str) and is_file(path_inside(root, name.replace("\\", "/")))
    except ValueError:
        return False


def images_in(folder: Path, report: DataReport | None = None) -> list[Path]:
    """All image files below a folder, by name, without hidden ones; the report counts what is skipped.

    Raises:
        StorageError: a folder below it cannot be read.
    """
    return sorted(path for at, names in walk(folder, report) for name in names if has_image_ending(path := at / name))


def _local_spelling(root: Path, name: str) -> str:
    """The name as this system writes it: Windows has other slashes, a Mac decomposes accents."""
    if exists(root / name):
        return name
    local = slashed(name)
    spellings = (unicodedata.normalize(form, text) for text in (local, unquote(local)) for form in ("NFC", "NFD"))
    return next((other for other in spellings if other != local and is_image_of(root, other)), local)


def _same_but_case(path: Path) -> str | None:
    try:
        return _names_in_lower_case(path.parent, path.parent.stat().st_mtime_ns).get(path.name.lower())
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4)
def _names_in_lower_case(folder: Path, changed: int) -> dict[str, str]:  # noqa: ARG001  a changed folder is read anew
    """The names in a folder, read once for all images that are missing there."""
    return {other.name.lower(): other.name for other in folder.iterdir()}
