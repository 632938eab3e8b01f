"""The part of a file that Pillow may see, as one stream that ends in an error instead of in silence."""

import time
from collections.abc import Sequence
from typing import TypeAlias

from condetr.images.decoding.sources import Stream

SECONDS = 60.0  # for one image; the longest that the decoders that read as they go may take
Piece: TypeAlias = bytes | tuple[int, int]  # made anew, or from the first to behind the last byte of the file


class Pieces:
    """Pieces of a file one after the other, to read and seek in.

    Whoever reads behind the end gets an error, since Pillow might take silence for the end of an image; and whoever
    still reads after ``seconds`` gets one, too, which ends the decoding, wherever it runs.
    """

    def __init__(self, stream: Stream, pieces: Sequence[Piece], seconds: float = SECONDS) -> None:
        self._stream, self._pieces = stream, pieces
        sizes = [len(one) if isinstance(one, bytes) else one[1] - one[0] for one in pieces]
        self._ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
        self._place = 0
        self._seconds, self._last = seconds, time.monotonic() + seconds

    def read(self, size: int = -1) -> bytes:
        if time.monotonic() > self._last:
            raise TimeoutError(f"decoding it takes more than {self._seconds:g} seconds")
        end = self._ends[-1] if size < 0 else min(self._place + size, self._ends[-1])
        found = []
        while self._place < end:
            place = next(place for place, last in enumerate(self._ends) if self._place < last)
            part = self._part(self._pieces[place], self._ends[place], end)
            if not part:  # the file became shorter
                break
            found.append(part)
            self._place += len(part)
        if not found and size > 0:
            raise OSError("it ends too early")
        return found[0] if len(found) == 1 else b"".join(found)

    def _part(self, piece: Piece, last: int, end: int) -> bytes:
        size = min(end, last) - self._place
        if isinstance(piece, bytes):
            start = self._place - last + len(piece)
            return piece[start : start + size]
        place = piece[1] - last + self._place
        if self._stream.tell() != place:
            self._stream.seek(place)
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = max(0, offset + (0, self._place, self._ends[-1])[whence])
        return self._place

    def tell(self) -> int:
        return self._place
