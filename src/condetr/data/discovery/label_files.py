"""Which label file belongs to which image: of the same name, or of the name as a tool or system wrote it.

Label Studio encodes names as in URLs, a Mac decomposes accents, others keep the image's ending (`a.jpg.txt`) or
write `Labels/`. If images and label files are still left over on both sides, that is a mistake: it would teach that
these images are empty.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from condetr.core.errors import AnnotationError, CondetrError, StorageError
from condetr.data.checks.data_report import DataProblem, DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.disk import is_hidden, walk
from condetr.files.inside import exists
from condetr.files.text import text_of
from condetr.images.file_endings import has_image_ending

NAME_FILES = ("classes.txt", "obj.names", "names.txt", "labels.txt", "predefined_classes.txt", "_darknet.labels")
_ENDING = ".txt"
_SMALL = 2**20  # bytes; a label file is smaller


class LabelFiles:
    """Matches images with label files.

    Attributes:
        of: the label file of each image that has one.
        renamed: those of them whose name is written in another way.
    """

    def __init__(self, images: Sequence[Path]) -> None:
        """``images``: absolute paths."""
        self._listings: dict[Path, frozenset[str]] = {}
        self._label_folders: dict[Path, list[Path]] = {}
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
        """The folders where label files were looked for, as far as they exist."""
        return sorted({folder for image in self._images for folder in self.folders_of(image) if self._names(folder)})

    def folders_of(self, image: Path) -> list[Path]:
        """``labels`` instead of the last ``images`` of the path, then the folder of the image."""
        folder = image.parent
        if folder not in self._label_folders:
            parts = folder.parts
            at = max((at for at, part in enumerate(parts) if part.lower() == "images"), default=0)
            tops = self._labels_in(Path(*parts[:at])) if at else []
            self._label_folders[folder] = [*(top.joinpath(*parts[at + 1 :]) for top in tops), folder]
        return self._label_folders[folder]

    def _labels_in(self, top: Path) -> list[Path]:
        spellings = sorted((name for name in self._names(top) if name.lower() == "labels"), reverse=True)
        return [top / name for name in spellings or ["labels"]]

    def unused(self, folders: Iterable[Path]) -> list[Path]:
        """The files of these folders that look like labels and belong to none of the images."""
        used = set(self.of.values())
        paths = (folder / name for folder in folders for name in self._names(folder))
        return sorted(path for path in paths if path not in used and is_label_file(path))

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
        return next((folder / name for folder in self.folders_of(image) if name in self._names(folder)), None)

    def _other_names(self) -> dict[Path, Path]:
        """Pairs of one label file and one image that match each other and nothing else."""
        used = set(self.of.values())
        by_key: dict[tuple[Path, str], set[Path]] = defaultdict(set)
        for folder in {folder for image in self.without for folder in self.folders_of(image)}:
            for name in self._names(folder):
                path = folder / name
                if path not in used and _is_label_name(name):
                    for stem in {name[: -len(_ENDING)], unquote(name[: -len(_ENDING)])}:
                        by_key[folder, plain(stem)].add(path)
        claims: dict[Path, list[Path]] = defaultdict(list)
        for image in self._images if by_key else ():
            keys = {plain(text) for name in (image.stem, image.name) for text in (name, unquote(name))}
            for folder in self.folders_of(image):
                candidates = set[Path]().union(*(by_key.get((folder, key), ()) for key in keys))
                if candidates:
                    if len(candidates) == 1:
                        claims[candidates.pop()].append(image)
                    break
        single = {labels: images[0] for labels, images in claims.items() if len(images) == 1}
        return {image: labels for labels, image in single.items() if image not in self.of}


def is_label_file(path: Path) -> bool:
    """Whether the first line is a class and coordinates."""
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


def report_unused(files: LabelFiles, root: Path, report: DataReport) -> None:
    """Report images without labels if labels without an image lie beside them, or have their name elsewhere."""
    without = [image for image in files.without if exists(image)]
    if not without:
        return
    tops = {_top_of(root)}
    tops |= {folder for folder in files.folders if not any(map(folder.is_relative_to, tops))}
    listed = [(at, name) for top in tops for at, names in walk(top) for name in names]
    everything = LabelFiles(sorted({at / name for at, name in listed if has_image_ending(name)} | set(without)))
    beside = {_top_of(root), *(folder for image in without for folder in files.folders_of(image))}
    stems = {plain(image.stem) for image in without}
    folders = {at for at, name in listed if at in beside or (_is_label_name(name) and _key_of(name) in stems)}
    unused = [path for path in everything.unused(folders) if path.parent in beside or _key_of(path.name) in stems]
    if unused:
        first = without[0]
        paths = " and ".join(str(folder / f"{first.stem}{_ENDING}") for folder in files.folders_of(first))
        message = (
            f"{len(without)} images have no label file (looked for {paths}), and {len(unused)} label files have no"
            f" image, such as {unused[0]}: give both the same name; images without objects need empty label files"
        )
        report.add(ProblemKind.UNUSED_LABELS, message, source=first)


def _top_of(root: Path) -> Path:
    """The folder below which labels may lie: the root, or its parent if the root is `images` or `images/train`."""
    near = (root, root.parent)
    return next((folder.parent for folder in near if folder.name.lower() == "images"), root)


def _is_label_name(name: str) -> bool:
    return name.lower().endswith(_ENDING) and not is_hidden(name) and name.lower() not in NAME_FILES


def image_stem(label_stem: str) -> str:
    """The `plain` stem of the image that a label file belongs to: `cup` of `Cup.jpg` or `cup`."""
    stem = unquote(label_stem)
    return plain(Path(stem).stem if has_image_ending(stem) else stem)


def _key_of(label_name: str) -> str:
    return image_stem(label_name[: -len(_ENDING)])


def plain(name: str) -> str:
    """The same for names that differ in upper and lower case, or in how accents are written."""
    return unicodedata.normalize("NFC", name).casefold()


def labels_of(path: Path) -> str:
    """The text of a label file.

    Raises:
        DataProblem: it cannot be read.
    """
    try:
        return text_of(path)
    except (AnnotationError, StorageError) as error:
        raise DataProblem(ProblemKind.BAD_LABELS, f"{path.name} {error.reason}") from error
