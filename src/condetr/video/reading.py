"""The frames of a video file or a camera, upright and in order, each with its time, every one accounted for."""

import os
from bisect import bisect, insort
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from condetr.core.errors import VideoError
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory
from condetr.images.detection import Moment
from condetr.video.library import pyav
from condetr.video.opening import open_camera, open_file

Place: TypeAlias = str | os.PathLike[str] | int
_SLACK = 1.5  # frames that a duration may be longer than what is displayed


class Frame(NamedTuple):
    """An upright RGB image and when it was."""

    moment: Moment
    image: Image.Image


class Video:
    """A video file, or a camera by its number, opened; its frames can be had once.

    Attributes:
        name: what messages and results call it.
        rate: frames a second, where it says so.
        promised: how many frames the file says that it has, where it does.
        seconds: how long it says that it is, where it does.
        counts: frames ``read`` from the file, ``decoded``, and ``failed``; what is promised and not there has failed.
    """

    def __init__(self, place: Place) -> None:
        """Open it.

        Raises:
            UsageError: there is no such file or camera.
            VideoError: it is no video, or has none in it.
            MissingExtraError: the extra ``video`` is not installed.
        """
        self.is_camera = isinstance(place, int)
        self.name = f"camera {place}" if self.is_camera else os.fsdecode(os.fspath(place))  # type: ignore[arg-type]
        self._av = pyav()
        self._container: Any = (
            open_camera(self._av, place) if isinstance(place, int) else open_file(self._av, self.name)
        )
        attached = self._av.stream.Disposition.attached_pic  # the cover of a song
        videos = [one for one in self._container.streams.video if not one.disposition & attached]
        if not videos:
            kinds = ", ".join(sorted({one.type for one in self._container.streams} - {"data"})) or "no streams"
            self._container.close()
            raise VideoError(f"has no video in it ({kinds})", source=self.name, hint="it may be cut off")
        self._stream = videos[0]
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate: Fraction | None = None if not rate else Fraction(rate)
        self.promised: int | None = self._stream.frames or None
        self.counts = Counter(read=0, decoded=0, failed=0)
        self.seconds = None if self.is_camera else self._duration()
        self._first: float | None = None
        self._last = 0.0
        self._damaged = 0
        self._lost: list[float] = []  # when those were that could not be decoded, in order

    def _duration(self) -> float | None:
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        if len(self._container.streams) > 1 or self._container.duration is None:
            return None  # of the file, which may have more sound than images
        return float(self._container.duration / self._av.time_base)

    def __enter__(self) -> "Video":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame | VideoError]:
        """Every frame, and in the place of one that cannot be decoded why; a file that ends early ends with that."""
        try:
            for packet in self._packets():
                if isinstance(packet, VideoError):
                    yield packet
                    continue
                yield from self._decoded(packet)
            ending = self._ending()
            if ending is not None:
                yield ending
        finally:
            self.close()

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._av.FFmpegError as error:
                self.counts["failed"] += 1
                yield VideoError(f"cannot be read on: {error.strerror}", source=self.name)
                return
            self.counts["read"] += packet.size > 0  # the last one is empty and asks for what is still held back
            yield packet

    def _decoded(self, packet: Any) -> Iterator[Frame | VideoError]:
        try:
            frames = packet.decode()
        except self._av.FFmpegError as error:
            if is_out_of_memory(error):
                raise out_of_memory("decoding a frame", source=self.name, hint="free memory") from error
            self.counts["failed"] += 1
            yield self._lost_at(packet, f"cannot be decoded: {error.strerror}")
            return
        for frame in frames:
            moment = self._moment_of(frame)
            if frame.is_corrupt:
                self.counts["failed"] += 1
                self._damaged += 1
                yield VideoError("is damaged", source=self.name, item=f"frame {moment.frame}")
            else:
                self.counts["decoded"] += 1
                yield Frame(moment, _upright(frame))

    def _lost_at(self, packet: Any, reason: str) -> VideoError:
        """Packets come in another order than frames are displayed in, so that only its time tells which one it is."""
        if packet.pts is None:
            return VideoError(reason, source=self.name, item=f"packet {self.counts['read'] - 1}")
        time = float(packet.pts * packet.time_base)
        insort(self._lost, time)
        return VideoError(reason, source=self.name, item=f"the frame at {max(0.0, time - (self._first or 0)):.2f} s")

    def _moment_of(self, frame: Any) -> Moment:
        shown = self.counts["decoded"] + self._damaged
        if frame.time is None:
            return Moment(shown + len(self._lost), float(shown / (self.rate or 25)))
        self._first = frame.time if self._first is None else self._first
        self._last = max(0.0, frame.time - self._first)
        return Moment(shown + bisect(self._lost, frame.time), self._last)

    def _ending(self) -> VideoError | None:
        """What is missing at the end, if something is."""
        reached = self.counts["decoded"] + self.counts["failed"]
        missing = (self.promised or 0) - max(self.counts["read"], reached)
        if not self.counts["read"] and not reached:
            return VideoError("has no frames", source=self.name)
        if missing > 0:
            self.counts["failed"] += missing
            return self._cut_off(f"at frame {reached} of {self.promised}")
        if self.promised is None and self.seconds is not None and self.rate is not None:
            late = self.seconds - self._last - _SLACK / float(self.rate)
            if late > 0 and not self.is_camera:
                return self._cut_off(f"at frame {reached}, {self._last:.2f} of {self.seconds:.2f} seconds")
        return None

    def _cut_off(self, where: str) -> VideoError:
        return VideoError(f"is cut off {where}", source=self.name, hint="copy or download it again")


def _upright(frame: Any) -> Image.Image:
    """Turned the way that its display matrix says: phones store what they film as the sensor lies."""
    pixels = frame.to_ndarray(format="rgb24")
    quarters = round(frame.rotation / 90)  # counterclockwise
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels)
