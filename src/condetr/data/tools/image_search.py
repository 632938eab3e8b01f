"""Which image on this disk a label file means: names are those of another machine, of a server, or without folders."""

import os
import re
import unicodedata
from collections import defaultdict
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.disk import is_file, slashed
from condetr.data.discovery.image_paths import images_in, measure_image
from condetr.data.discovery.label_files import plain
from condetr.data.discovery.split_names import split_named
from condetr.files.inside import OutsideFolderError, path_inside
from condetr.images.file_endings import has_image_ending
from condetr.images.sizes import HeightWidth

_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an uploaded file
_FOLDERS = ("images", "data", "imgs", "img")  # of images, where names without folders are looked for first
_LISTED = 4  # candidates in a message


class ImageSearch:
    """The images below a folder, found by the end of their path.

    Attributes:
        root: the folder.
        report: the hidden files that were skipped; complete after the first search by name.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.report = DataReport()

    @cached_property
    def images(self) -> list[Path]:
        """All of them, by name."""
        return images_in(self.root, self.report)

    def find(
        self, name: object, beside: Path, location: Location, *, folder: str | None = None
    ) -> tuple[Path, HeightWidth]:
        """The image that a name means, and its upright (height, width).

        Args:
            name: as the label file writes it.
            beside: the folder of the label file, from which relative names start.
            location: where it is reported if the name is not the end of the image's path.
            folder: the name of a folder or split that decides between images of the same name.

        Raises:
            DataProblem: it is no name, or no image or several can be meant.
        """
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise DataProblem(ProblemKind.BAD_FIELD, f"has image {short_repr(name)}, expected a file name")
        if name.startswith("data:"):
            raise DataProblem(ProblemKind.URL_PICTURE, "has its image as data in place of a file name")
        local = local_name(name)
        path = self._exact(local, beside)
        if path is None:
            path = self._by_ending(local, name, folder)
            ending = f"/{os.path.normpath(local)}"
            exact = any(spelling.as_posix().endswith(ending) for spelling in (path, path.with_suffix("")))
        else:
            exact = True
        if local != name or not exact:
            found = path.relative_to(self.root).as_posix()
            location.add(ProblemKind.CONVERTED_NAME, f"image {short_repr(name)} is read as {short_repr(found)}")
        return measure_image(path, self.root, location)

    def _exact(self, local: str, beside: Path) -> Path | None:
        for folder in (beside, self.root, *(self.root / name for name in _FOLDERS)):
            try:
                path = path_inside(self.root, os.path.join(folder, local))  # noqa: PTH118  may be absolute
            except OutsideFolderError:
                continue
            if is_file(path) and has_image_ending(path):
                return path
        return None

    def _by_ending(self, local: str, name: str, folder: str | None) -> Path:
        parts = _parts_of(local)
        candidates = self._candidates(parts[-1]) if parts else []
        if not candidates:
            raise DataProblem(ProblemKind.MISSING_PICTURE, f"no image {short_repr(name)} below {self.root}")
        ranks = {path: self._rank(path, parts, folder) for path in candidates}
        best = max(ranks.values())
        chosen = [path for path in candidates if ranks[path] == best]
        if len(chosen) > 1:
            paths = ", ".join(path.relative_to(self.root).as_posix() for path in chosen[:_LISTED])
            message = f"image {short_repr(name)} could be any of {len(chosen)} of this name: {paths}"
            raise DataProblem(ProblemKind.MISSING_PICTURE, message)
        return chosen[0]

    def _candidates(self, last: str) -> list[Path]:
        """The images that have this name, perhaps encoded, without ending, or with or without the tool's prefix."""
        spellings = dict.fromkeys(plain(text) for text in (last, unquote(last)))
        for table, keys in (
            (self._by_name, spellings),
            (self._by_name, dict.fromkeys(_UPLOAD.sub("", key, count=1) for key in spellings)),
            (self._by_uploaded_name, spellings),
        ):
            found = [path for key in keys for path in table.get(key, ())]
            if found:
                return list(dict.fromkeys(found))
        return [] if has_image_ending(last) else [path for key in spellings for path in self._by_stem.get(key, ())]

    def _rank(self, path: Path, parts: list[str], folder: str | None) -> tuple[int, bool]:
        """How many folders at the end of the path are those of the name; whether it lies in the folder."""
        own = [plain(part) for part in path.relative_to(self.root).parts[:-1]]
        same = 0
        for mine, theirs in zip(reversed(own), reversed(parts[:-1]), strict=False):
            if mine not in (plain(theirs), plain(unquote(theirs))):
                break
            same += 1
        wanted = None if folder is None else plain(folder)
        return same, wanted is not None and any(wanted in (part, split_named(part)) for part in own)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        table = defaultdict[str, list[Path]](list)
        for path in self.images:
            for key in {plain(path.name), plain(unquote(path.name))}:
                table[key].append(path)
        return dict(table)

    @cached_property
    def _by_uploaded_name(self) -> dict[str, list[Path]]:
        table = defaultdict[str, list[Path]](list)
        for key, paths in self._by_name.items():
            if _UPLOAD.match(key):
                table[_UPLOAD.sub("", key, count=1)] += paths
        return dict(table)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        table = defaultdict[str, list[Path]](list)
        for path in self.images:
            table[plain(path.stem)].append(path)
        return dict(table)


def local_name(name: str) -> str:
    """The path in a name: without the server of a URL, and with the slashes of this system.

    Label Studio serves local files as `/data/local-files/?d=folder/a.jpg`.
    """
    text = unicodedata.normalize("NFC", name.strip())
    is_url = "://" in text
    if is_url or "?d=" in text:
        address = urlsplit(text)
        query = parse_qs(address.query).get("d", [])
        return slashed(query[0] if query else unquote(address.path))
    return slashed(text)


def image_key(name: str) -> str:
    """The same for all names that may mean one image: without folders, encoding, a tool's prefix, and ending."""
    last = plain(unquote(PurePosixPath(local_name(name)).name))
    return _UPLOAD.sub("", os.path.splitext(last)[0] if has_image_ending(last) else last, count=1)  # noqa: PTH122


def _parts_of(local: str) -> list[str]:
    """The folders and the name, without what leads upwards."""
    parts = [part for part in local.split("/") if part not in ("", ".")]
    return parts[max((at for at, part in enumerate(parts) if part == ".."), default=-1) + 1 :]
