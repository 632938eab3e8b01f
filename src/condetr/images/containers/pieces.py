"""The parts of a file that Pillow may read, as one stream that raises at its end."""

import time
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeAlias

from condetr.images.decoding.sources import Stream

SECONDS = 60.0  # for one image, in decoders that read while decoding
Piece: TypeAlias = bytes | tuple[int, int]  # new content, or (start, end) of a range of the file


class Pieces:
    """Pieces of a file as one readable and seekable stream.

    Reading at the end raises, since Pillow might take an empty read for the end of an image; reading after ``seconds``
    raises too, which ends the decoding in any thread.
    """

    def __init__(self, stream: Stream, pieces: Sequence[Piece], seconds: float = SECONDS) -> None:
        self._stream, self._pieces = stream, pieces
        sizes = [len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in pieces]
        self._ends = list(accumulate(sizes))
        self._position = 0
        self._seconds, self._deadline = seconds, time.monotonic() + seconds

    def read(self, size: int = -1) -> bytes:
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"decoding takes more than {self._seconds:g} seconds")
        end = self._ends[-1] if size < 0 else min(self._position + size, self._ends[-1])
        parts = []
        while self._position < end:
            index = bisect(self._ends, self._position)
            part = self._part(self._pieces[index], self._ends[index], end)
            if not part:  # the file became shorter
                break
            parts.append(part)
            self._position += len(part)
        if not parts and size > 0:
            raise OSError("it ends too early")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _part(self, piece: Piece, last: int, end: int) -> bytes:
        size = min(end, last) - self._position
        if isinstance(piece, bytes):
            start = self._position - last + len(piece)
            return piece[start : start + size]
        position = piece[1] - last + self._position
        if self._stream.tell() != position:
            self._stream.seek(position)
        return self._stream.read(size)

    def restart_clock(self) -> None:
        """Begin anew to count the seconds, for the next of several images."""
        self._deadline = time.monotonic() + self._seconds

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = max(0, offset + (0, self._position, self._ends[-1])[whence])
        return self._position

    def tell(self) -> int:
        return self._position
