"""Where an image that a label file names lies on this disk: inside its folder, or nowhere."""

import os
import unicodedata
from functools import lru_cache
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

from condetr.core.errors import ImageError
from condetr.data.checks.data_report import Fault, Place, Report, shown
from condetr.data.checks.problems import Reason
from condetr.data.discovery.disk import absence_of, exists, is_file, slashed, walk
from condetr.images.decoding.headers import upright_size
from condetr.images.sizes import HeightWidth

IMAGE_ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .gif .webp .tif .tiff .ppm .pgm .pbm .pnm".split()  # noqa: SIM905  reads better
)


def find_image(root: Path, name: object, place: Place) -> tuple[Path, HeightWidth]:
    """The image that ``file_name`` means, and its upright (height, width).

    Raises:
        Fault: it is no name, leads out of ``root``, or there is no image there.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise Fault(Reason.BAD_FIELD, f"file_name is {shown(name)}, expected a file name")
    if "://" in name or name.startswith("data:"):
        raise Fault(Reason.URL_PICTURE, f"file_name is {shown(name)}; images are read from disk")
    local = _spelled_here(root, name)
    if local != name:
        place.add(Reason.CONVERTED_NAME, f"file_name {shown(name)} is read as {shown(local)}")
    return measure_image(path_inside(root, local), root, place)


def measure_image(path: Path, root: Path, place: Place) -> tuple[Path, HeightWidth]:
    """The same for a path that is known to be inside."""
    if not exists(path):
        near = _same_but_case(path)
        raise Fault(Reason.MISSING_PICTURE, f"{path} {absence_of(path)}" + (f"; there is {near}" if near else ""))
    real = Path(os.path.realpath(path)) if path.is_symlink() else path
    if real != path and not real.is_relative_to(os.path.realpath(root)):
        place.add(Reason.LINKED_PICTURE, f"{path} is a link to {real}")
    try:
        return path, upright_size(path)
    except ImageError as error:
        raise Fault(Reason.UNREADABLE_PICTURE, f"{path} {error.reason}") from error


def compare_size(stated: tuple[object, object], path: Path, size: HeightWidth, place: Place) -> None:
    """Say so where the stated (width, height) is not that of the upright image."""
    height, width = size
    if stated != (width, height):
        turned = "; it is the size before EXIF turns it: look at its boxes" if stated == (height, width) else ""
        said = f"width x height is {shown(stated[0])}x{shown(stated[1])}, {path.name} is {width}x{height}{turned}"
        place.add(Reason.WRONG_SIZE, said)


def is_image_of(root: Path, name: object) -> bool:
    """Whether there is a file of this name below ``root``."""
    try:
        return isinstance(name, str) and is_file(path_inside(root, name.replace("\\", "/")))
    except (Fault, ValueError):
        return False


def path_inside(root: Path, name: str) -> Path:
    """Where a file of this name would be. The name decides: whether a link on the way leads out is another question.

    Raises:
        Fault: the name leads out of ``root``.
    """
    path, top = os.path.abspath(root / name), os.path.abspath(root)  # noqa: PTH100  resolve() would follow links
    foreign = PureWindowsPath(name).drive and not exists(root / name)
    if foreign or not Path(path).is_relative_to(top):
        said = f"file_name {shown(name)} leads outside of the image root {top}, which is not allowed"
        raise Fault(Reason.OUTSIDE_NAME, said)
    return Path(path)


def is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_ENDINGS


def images_in(folder: Path, report: Report | None = None) -> list[Path]:
    """All image files below a folder, by name, without hidden ones; the report counts what is passed over.

    Raises:
        StorageError: a folder below it may not be looked into.
    """
    return sorted(path for at, names in walk(folder, report) for name in names if is_image(path := at / name))


def _spelled_here(root: Path, name: str) -> str:
    """The name as this system writes it: Windows has other slashes, a Mac takes accents apart."""
    if exists(root / name):
        return name
    local = slashed(name)
    composed = (unicodedata.normalize(form, one) for one in (local, unquote(local)) for form in ("NFC", "NFD"))
    return next((other for other in composed if other != local and is_image_of(root, other)), local)


def _same_but_case(path: Path) -> str | None:
    try:
        return _names_in_lower_case(path.parent, path.parent.stat().st_mtime_ns).get(path.name.lower())
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4)
def _names_in_lower_case(folder: Path, changed: int) -> dict[str, str]:  # noqa: ARG001  a changed folder is read anew
    """The names in a folder, read once for all images that are missed there."""
    return {other.name.lower(): other.name for other in folder.iterdir()}
