"""Which label file belongs to which image: of the same name, or of the name as a tool or system wrote it.

Label Studio encodes names as in URLs, a Mac takes accents apart, others keep the image's ending (`a.jpg.txt`) or
write `Labels/`. What is still left over on both sides is a mistake that would teach that nothing is there.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from condetr.core.errors import AnnotationError, CondetrError, StorageError
from condetr.data.checks.data_report import Fault, Report
from condetr.data.checks.problems import Reason
from condetr.data.discovery.disk import exists, is_hidden, walk
from condetr.data.discovery.image_paths import is_image
from condetr.files.text import text_of

NAME_FILES = ("classes.txt", "obj.names", "names.txt", "labels.txt", "predefined_classes.txt")
_ENDING = ".txt"
_SMALL = 2**20  # bytes; a label file is smaller


class LabelFiles:
    """Matches some images with label files.

    Attributes:
        of: the label file of each image that has one.
        renamed: those of them whose name is written in another way.
    """

    def __init__(self, images: Sequence[Path]) -> None:
        """``images``: absolute paths."""
        self._listings: dict[Path, frozenset[str]] = {}
        self._places: dict[Path, list[Path]] = {}
        self._images = images
        self.of: dict[Path, Path] = {}
        for image in images:
            labels = self._same_name(image)
            if labels is not None:
                self.of[image] = labels
        self.renamed = self._other_names()
        self.of.update(self.renamed)

    @property
    def without(self) -> list[Path]:
        return [image for image in self._images if image not in self.of]

    @cached_property
    def folders(self) -> list[Path]:
        """Where label files were looked for, as far as there are such folders."""
        return sorted({place for image in self._images for place in self.places_of(image) if self._names(place)})

    def places_of(self, image: Path) -> list[Path]:
        """``labels`` in the place of the last ``images`` of the path, then beside the image."""
        folder = image.parent
        if folder not in self._places:
            parts = folder.parts
            at = max((at for at, part in enumerate(parts) if part.lower() == "images"), default=0)
            found = self._labels_in(Path(*parts[:at])) if at else []
            self._places[folder] = [*(top.joinpath(*parts[at + 1 :]) for top in found), folder]
        return self._places[folder]

    def _labels_in(self, top: Path) -> list[Path]:
        spelled = sorted((name for name in self._names(top) if name.lower() == "labels"), reverse=True)
        return [top / name for name in spelled or ["labels"]]

    def unused(self, folders: Iterable[Path]) -> list[Path]:
        """The files of these folders that look like labels and belong to none of the images."""
        used = set(self.of.values())
        found = (folder / name for folder in folders for name in self._names(folder))
        return sorted(path for path in found if path not in used and is_label_file(path))

    def _names(self, folder: Path) -> frozenset[str]:
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))  # noqa: PTH208  names are all that is needed
            except (FileNotFoundError, NotADirectoryError):
                self._listings[folder] = frozenset()
            except OSError as error:
                raise StorageError(f"cannot be read: {error.strerror or error}", source=folder) from error
        return self._listings[folder]

    def _same_name(self, image: Path) -> Path | None:
        name = image.stem + _ENDING
        return next((place / name for place in self.places_of(image) if name in self._names(place)), None)

    def _other_names(self) -> dict[Path, Path]:
        """Only where one label file and one image mean each other, and nothing else means either."""
        used = set(self.of.values())
        by_key: dict[tuple[Path, str], set[Path]] = defaultdict(set)
        for folder in {place for image in self.without for place in self.places_of(image)}:
            for name in self._names(folder):
                path = folder / name
                if path not in used and _is_label_name(name):
                    for spelled in {name[: -len(_ENDING)], unquote(name[: -len(_ENDING)])}:
                        by_key[folder, plain(spelled)].add(path)
        claims: dict[Path, list[Path]] = defaultdict(list)
        for image in self._images if by_key else ():
            keys = {plain(one) for name in (image.stem, image.name) for one in (name, unquote(name))}
            for place in self.places_of(image):
                meant = set[Path]().union(*(by_key.get((place, key), ()) for key in keys))
                if meant:
                    if len(meant) == 1:
                        claims[meant.pop()].append(image)
                    break
        single = {labels: images[0] for labels, images in claims.items() if len(images) == 1}
        return {image: labels for labels, image in single.items() if image not in self.of}


def is_label_file(path: Path) -> bool:
    """By its first line: a class and coordinates."""
    if not _is_label_name(path.name):
        return False
    try:
        if not path.is_file() or path.stat().st_size > _SMALL:
            return False
        lines = text_of(path).split("\n", 1)
        numbers = [float(word) for word in lines[0].split()]
    except (CondetrError, OSError, ValueError):
        return False
    return len(numbers) >= 5


def tell_unused(files: LabelFiles, root: Path, report: Report) -> None:
    """Report images without labels where labels without an image lie beside them, or have their name."""
    without = [image for image in files.without if exists(image)]
    if not without:
        return
    tops = {_top_of(root)}
    tops |= {folder for folder in files.folders if not any(map(folder.is_relative_to, tops))}
    found = [(at, name) for top in tops for at, names in walk(top) for name in names]
    everything = LabelFiles(sorted({at / name for at, name in found if is_image(at / name)} | set(without)))
    beside = {_top_of(root), *(place for image in without for place in files.places_of(image))}
    stems = {plain(image.stem) for image in without}
    folders = {at for at, name in found if at in beside or (_is_label_name(name) and _key_of(name) in stems)}
    unused = [path for path in everything.unused(folders) if path.parent in beside or _key_of(path.name) in stems]
    if unused:
        first = without[0]
        places = " and ".join(str(place / f"{first.stem}{_ENDING}") for place in files.places_of(first))
        said = (
            f"{len(without)} images have no label file (looked for {places}), and {len(unused)} label files have no"
            f" image, such as {unused[0]}: name them alike, or give images without objects empty label files"
        )
        report.add(Reason.UNUSED_LABELS, said, source=first)


def _top_of(root: Path) -> Path:
    """Where labels may lie: the root, or what holds it, where the root is `images` or `images/train`."""
    near = (root, root.parent)
    return next((one.parent for one in near if one.name.lower() == "images"), root)


def _is_label_name(name: str) -> bool:
    return name.lower().endswith(_ENDING) and not is_hidden(name) and name.lower() not in NAME_FILES


def image_stem(label_stem: str) -> str:
    """What the stem of the image would be, plainly written: `cup` of `Cup.jpg` or `cup`."""
    stem = unquote(label_stem)
    return plain(Path(stem).stem if is_image(Path(stem)) else stem)


def _key_of(label_name: str) -> str:
    return image_stem(label_name[: -len(_ENDING)])


def plain(name: str) -> str:
    """The same for names that differ in upper and lower case, or in how accents are written."""
    return unicodedata.normalize("NFC", name).casefold()


def labels_of(path: Path) -> str:
    """The text of a label file.

    Raises:
        Fault: it cannot be read.
    """
    try:
        return text_of(path)
    except (AnnotationError, StorageError) as error:
        raise Fault(Reason.BAD_LABELS, f"{path.name} {error.reason}") from error
