"""The pages of PDF documents as images, drawn by PDFium when they are read."""

import importlib
import threading
from collections.abc import Iterator
from typing import Any

from condetr.core.errors import MissingExtraError, UsageError, first_line_of
from condetr.images.decoding.pixel_limit import check_size
from condetr.images.decoding.sources import Readable

DOTS_PER_INCH = 200  # of the images; text of common sizes is sharp
_POINTS_PER_INCH = 72
_drawing = threading.Lock()  # PDFium runs in one thread at a time


class PdfPage(Readable):
    """A page with the ``read`` of a binary stream, in the PPM format."""

    def __init__(self, document: Any, number: int, name: str) -> None:
        """``number`` counts from 1."""
        self.name, self._document, self._number = name, document, number

    def read(self, size: int = -1) -> bytes:
        """The page as an image.

        Raises:
            OSError: it is damaged.
            ImageError: it has too many pixels.
        """
        scale = DOTS_PER_INCH / _POINTS_PER_INCH
        with _drawing:
            try:
                page = self._document[self._number - 1]
                width, height = (max(1, round(side * scale)) for side in page.get_size())
            except Exception as error:
                raise OSError(f"the page is damaged: {first_line_of(error)}") from error
            check_size(width, height, self.name)
            try:
                image = page.render(scale=scale).to_pil().convert("RGB")
            except Exception as error:
                raise OSError(f"the page cannot be drawn: {first_line_of(error)}") from error
            finally:
                page.close()
        content = b"P6 %d %d 255\n" % image.size + image.tobytes()
        return content if size < 0 else content[:size]


def pages_of(path: str) -> Iterator[PdfPage]:
    """Every page, named ``document.pdf#page=1`` and so on.

    Raises:
        UsageError: it is damaged, or needs a password.
        MissingExtraError: pypdfium2 is not installed.
    """
    try:
        pdfium = importlib.import_module("pypdfium2")
    except ImportError:
        raise MissingExtraError("pypdfium2", "pdf", "a PDF document") from None
    with _drawing:
        try:
            document = pdfium.PdfDocument(path)
            count = len(document)
        except Exception as error:
            reason = f"cannot be read as a PDF document: {first_line_of(error)}"
            raise UsageError(reason, source=path, hint="convert its pages to PNG") from error
    return (PdfPage(document, number, f"{path}#page={number}") for number in range(1, count + 1))
