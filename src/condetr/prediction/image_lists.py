"""Lists of images, written by people or programs: one path per line."""

import csv
import logging
import os
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePath, PureWindowsPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from condetr.core.errors import DataError

SUFFIXES = frozenset({".txt", ".csv"})
_LARGEST = 1 << 30  # bytes; many millions of images
_HEAD = 4096  # bytes that show the encoding
_BOMS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = ",;\t"
_COLUMNS = frozenset(  # headers of the path column
    "file files filename file_name filepath file_path path paths source src uri url img img_path img_name image images "  # noqa: SIM905  reads better
    "image_path imagepath image_name image_file photo picture picture_path".split()
)
_logger = logging.getLogger(__name__)


class Listed(NamedTuple):
    """An image of a list.

    Attributes:
        path: of the file, which may be missing.
        relative_path: where its results are filed; relative to the folder of the list if it lies there.
    """

    path: str
    relative_path: PurePath


def paths_in(file: Path) -> Iterator[Listed]:
    """The images in a list, in order.

    A relative path is relative to the folder of the list, else to the working folder. Text is UTF-8 or UTF-16;
    quotes, surrounding spaces, backslashes, ``file://`` and ``%20`` are decoded if only that leads to a file.
    Blank lines, lines that begin with ``#``, and the header of a table are skipped.

    Raises:
        DataError: not text, or too large.
        OSError: the list cannot be read.
    """
    if file.stat().st_size > _LARGEST:
        raise DataError(f"is larger than {_LARGEST} bytes, the limit for a list of images", source=file)
    encoding = _encoding_of(file)
    comments = 0
    try:
        with file.open(encoding=encoding, errors="surrogateescape", newline="") as lines:
            column, first = 0, True
            for cells in _rows(file, lines):
                if not any(cell.strip() for cell in cells):
                    continue
                if first:
                    first, header = False, _header_column(file, cells)
                    if header is not None:
                        column = header
                        _logger.info("%s: the first row is read as a header: %s", file, ",".join(cells).strip())
                        continue
                text = cells[min(column, len(cells) - 1)]
                listed = _existing(file.parent, text)
                if listed is None and text.lstrip().startswith("#"):
                    comments += 1
                    continue
                yield listed or _listed(file.parent, _forms(text)[-1])
    except UnicodeError:
        raise DataError(f"is not text in {encoding}", source=file) from None
    except csv.Error as error:
        raise DataError(f"is not a valid CSV table: {error}", source=file) from None
    if comments:
        _logger.info("%s: %d lines are comments (#)", file, comments)


def _encoding_of(file: Path) -> str:
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    for mark, encoding in _BOMS.items():
        if head.startswith(mark):
            return encoding
    many = len(head) // 5  # in UTF-16 text of Latin languages nearly every second byte is 0
    if many and head[1::2].count(0) > many:
        return "utf-16-le"
    if many and head[0::2].count(0) > many:
        return "utf-16-be"
    return "utf-8-sig"


def _rows(file: Path, lines: Iterable[str]) -> Iterator[list[str]]:
    if file.suffix.lower() != ".csv":
        return ([line.rstrip("\r\n")] for line in lines)
    rest = iter(lines)
    first = next(rest, "")
    separator = max(_SEPARATORS, key=first.count)  # a comma where there is none
    return csv.reader(chain([first], rest), delimiter=separator)


def _header_column(file: Path, cells: list[str]) -> int | None:
    """The column with the paths, if these cells are a header."""
    if any(_existing(file.parent, cell) for cell in cells):
        return None
    words = [cell.strip().strip("\"'").lower().replace(" ", "_") for cell in cells]
    named = [number for number, word in enumerate(words) if word in _COLUMNS]
    if named:
        return named[0]
    is_table = len(cells) > 1 and not PurePath(words[0]).suffix and "/" not in words[0]
    return 0 if is_table else None


def _existing(folder: Path, text: str) -> Listed | None:
    """The first reading of the text that leads to a file."""
    forms = list(dict.fromkeys(_forms(text)))
    for form in forms:
        if _exists(os.path.join(folder, form)):  # noqa: PTH118  a Path cannot hold every string
            return _listed(folder, form)
    for form in forms:
        if _exists(form):
            return Listed(form, _below(form))
    return None


def _listed(folder: Path, form: str) -> Listed:
    return Listed(os.path.join(folder, form), _below(form))  # noqa: PTH118  a Path cannot hold every string


def _below(form: str) -> PurePath:
    path = PurePath(form)
    return PurePath(path.name) if path.is_absolute() or ".." in path.parts else path


def _forms(text: str) -> list[str]:
    """Readings of a line, the most literal first; the last is for the message if none of them leads to a file."""
    bare = text.strip()
    forms = [bare, text]
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":
        bare = bare[1:-1]
    if bare.lower().startswith("file:"):
        bare = _path_of_url(bare)
    whole = unquote(bare, errors="surrogateescape")
    forms += [bare, _slashed(bare), whole, _slashed(whole)]
    bare = _slashed(bare)
    if not bare.isascii():
        forms += [unicodedata.normalize(form, each) for form in ("NFC", "NFD") for each in forms]
    if any("\udc80" <= char <= "\udcff" for char in bare):  # not UTF-8: written by older Windows programs
        forms.append(os.fsencode(bare).decode("cp1252", "replace"))
    return [*forms, bare]


def _slashed(path: str) -> str:
    return PureWindowsPath(path).as_posix() if "\\" in path and os.sep == "/" else path


def _path_of_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # invalid IPv6 brackets
        return url
    path = unquote(parts.path, errors="surrogateescape")
    return path[1:] if PureWindowsPath(path[1:]).drive and os.sep == "\\" else path


def _exists(path: str) -> bool:
    return bool(path) and os.path.lexists(path)
