"""XML that a stranger wrote: no document type, so no entities, which can grow without end or read files."""

from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from condetr.data.reasons import Reason
from condetr.data.report import Fault

_LARGEST = 16 * 2**20  # bytes, of one picture's labels


def xml_of(path: Path) -> ElementTree.Element:
    """The outermost element.

    Raises:
        Fault: the file cannot be read, is too large or no plain XML.
    """
    try:
        if not path.is_file():
            raise Fault(Reason.BAD_LABELS, "is not a file")
        if path.stat().st_size > _LARGEST:
            raise Fault(Reason.BAD_LABELS, f"is larger than {_LARGEST} bytes")
        content = path.read_bytes()
        guard = expat.ParserCreate()
        guard.StartDoctypeDeclHandler = _refuse_doctype
        guard.Parse(content, True)  # noqa: FBT003  expat's signature
        return ElementTree.fromstring(content)  # noqa: S314  the guard has seen all of it
    except OSError as error:
        raise Fault(Reason.BAD_LABELS, f"cannot be read: {error.strerror or error}") from error
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise Fault(Reason.BAD_LABELS, f"is not valid XML: {error}") from error


def _refuse_doctype(*_: object) -> NoReturn:
    raise Fault(Reason.BAD_LABELS, "declares a DOCTYPE; labels need none, and entities are never expanded")
