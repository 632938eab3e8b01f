"""Untrusted XML: no document type, so no entities, which can grow without end or read files."""

import re
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from condetr.data.checks.data_report import DataProblem
from condetr.data.checks.problems import ProblemKind

_HEAD = 4096
_BEFORE = re.compile(rb"<\?.*?\?>|<!--.*?-->", re.DOTALL)
_FIRST_ELEMENT = re.compile(rb"<([\w:.-]+)")
_LARGEST = 16 * 2**20  # bytes, of one image's labels


def xml_of(path: Path, *, largest: int = _LARGEST) -> ElementTree.Element:
    """The outermost element of a file of at most ``largest`` bytes.

    Raises:
        DataProblem: the file cannot be read, is too large, or is no plain XML.
    """
    try:
        if not path.is_file():
            raise DataProblem(ProblemKind.BAD_LABELS, "is not a file")
        if path.stat().st_size > largest:
            raise DataProblem(ProblemKind.BAD_LABELS, f"is larger than {largest} bytes")
        content = path.read_bytes()
        guard = expat.ParserCreate()
        guard.StartDoctypeDeclHandler = _refuse_doctype
        guard.Parse(content, True)  # noqa: FBT003  expat's signature
        outermost = ElementTree.fromstring(content)  # noqa: S314  the guard has seen all of it
    except OSError as error:
        raise DataProblem(ProblemKind.BAD_LABELS, f"cannot be read: {error.strerror or error}") from error
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataProblem(ProblemKind.BAD_LABELS, f"is not valid XML: {error}") from error
    return _without_namespaces(outermost) if outermost.tag.startswith("{") else outermost


def starts_with(path: Path, tag: str) -> bool:
    """Whether the first bytes of a file show that the first element of its XML has this name."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD).replace(b"\0", b"")  # UTF-16 of ASCII
    except OSError:
        return False
    first = _FIRST_ELEMENT.search(_BEFORE.sub(b"", head))
    return first is not None and first.group(1).rpartition(b":")[2] == tag.encode()


def _without_namespaces(outermost: ElementTree.Element) -> ElementTree.Element:
    for element in outermost.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return outermost


def _refuse_doctype(*_: object) -> NoReturn:
    raise DataProblem(ProblemKind.BAD_LABELS, "declares a DOCTYPE; labels need none, and entities are never expanded")
