"""Annotated MP4: images shown at the times of their frames."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from condetr.core.errors import StorageError
from condetr.video.library import pyav

_ENCODERS = ("libx264", "libopenh264", "mpeg4")  # the first available one; browsers play the first two
_CLOCK = Fraction(1, 60_000)  # divides the usual rates; the finest that MPEG-4 supports
_USUAL_RATE = Fraction(25)


class VideoWriter:
    """Writes one MP4, complete or not at all: it gets its final name when it is closed without an error.

    All frames have the size of the first; the last row or column is repeated where that size is odd, since MP4 needs
    even sizes.
    """

    def __init__(self, path: Path, rate: Fraction | None) -> None:
        """``rate``: frames per second for the header; frames are shown at the times passed to `add`."""
        self.path = path
        self._av = pyav()
        self._rate = rate or _USUAL_RATE
        self._unfinished = path.with_name(f".{path.name}.unfinished")
        self._container: Any = None
        self._stream: Any = None
        self._last = -1

    def add(self, image: Image.Image, seconds: float) -> None:
        """Add the next image, shown from ``seconds`` after the first.

        Raises:
            StorageError: it cannot be written.
        """
        with self._storing():
            if self._container is None:
                self._open(image)
            pixels = _even(np.asarray(image.convert("RGB")))
            height, width = self._stream.height, self._stream.width
            if pixels.shape[:2] != (height, width):
                pixels = np.asarray(image.convert("RGB").resize((width, height)))
            frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            self._last = max(self._last + 1, round(seconds / _CLOCK))
            frame.pts, frame.time_base = self._last, _CLOCK
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file and rename it to its final name; without frames there is no file.

        Raises:
            StorageError: it cannot be written.
        """
        if self._container is None:
            return
        with self._storing():
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._unfinished.replace(self.path)
        self._container = None

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None or isinstance(error, GeneratorExit):  # a closed generator is a regular end
                self.close()
        finally:
            self._abandon()

    def _open(self, image: Image.Image) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._container = self._av.open(
            os.fspath(self._unfinished), "w", format="mp4", options={"movflags": "faststart"}
        )
        self._stream = self._container.add_stream(_encoder(self._av), rate=self._rate)
        self._stream.width, self._stream.height = image.width + image.width % 2, image.height + image.height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _CLOCK

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, self._av.FFmpegError) as error:
            self._abandon()
            reason = f"cannot be written: {getattr(error, 'strerror', None) or error}"
            raise StorageError(
                reason, source=self.path, hint="check the path, its permissions and the free space"
            ) from error

    def _abandon(self) -> None:
        """Remove the unfinished file."""
        if self._container is not None:
            with suppress(OSError, self._av.FFmpegError):
                self._container.close()
            self._container = None
            self._unfinished.unlink(missing_ok=True)


def _encoder(av: Any) -> str:
    for name in _ENCODERS:
        with suppress(av.FFmpegError, ValueError):
            return str(av.codec.Codec(name, "w").name)
    raise StorageError("this build of PyAV has no encoder for MP4", hint="install PyAV from PyPI: pip install av")


def _even(pixels: Any) -> Any:
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge") if height % 2 or width % 2 else pixels
