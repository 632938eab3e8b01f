"""The frames of a video file or camera, upright and in order, with their times; every frame is counted."""

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

VideoLocation: TypeAlias = str | os.PathLike[str] | int
_SLACK = 1.5  # frames by which a duration may exceed the displayed frames


class Frame(NamedTuple):
    """An upright RGB image with its time."""

    moment: Moment
    image: Image.Image


class Video:
    """An open video file, or camera by its number; iterate over its frames once.

    Attributes:
        name: in messages and results.
        rate: frames per second, if stated.
        promised: number of frames that the file states, if any.
        seconds: duration that the file states, if any.
        counts: frames ``read`` from the file, ``decoded``, and ``failed``; stated frames that are missing have failed.
    """

    def __init__(self, location: VideoLocation) -> None:
        """Open a file or camera.

        Raises:
            UsageError: there is no such file or camera.
            VideoError: not a video, or a file without a video stream.
            MissingExtraError: the extra ``video`` is not installed.
        """
        self.is_camera = isinstance(location, int)
        self.name = f"camera {location}" if isinstance(location, int) else os.fsdecode(os.fspath(location))
        self._av = pyav()
        self._container: Any = (
            open_camera(self._av, location) if isinstance(location, int) else open_file(self._av, self.name)
        )
        attached = self._av.stream.Disposition.attached_pic  # cover art
        videos = [stream for stream in self._container.streams.video if not stream.disposition & attached]
        if not videos:
            kinds = ", ".join(sorted({stream.type for stream in self._container.streams} - {"data"})) or "no streams"
            self._container.close()
            raise VideoError(f"contains no video ({kinds})", source=self.name, hint="it may be cut off")
        self._stream = videos[0]
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate: Fraction | None = None if not rate else Fraction(rate)
        self.promised: int | None = self._stream.frames or None
        self.counts = Counter(read=0, decoded=0, failed=0)
        self.seconds = None if self.is_camera else self._duration()
        self._first: float | None = None
        self._last = 0.0
        self._damaged = 0
        self._lost: list[float] = []  # times of frames that could not be decoded, sorted

    def _duration(self) -> float | None:
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        if len(self._container.streams) > 1 or self._container.duration is None:
            return None  # the duration is of the file, whose audio may be longer
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
        """Every frame, or an error in the place of one that cannot be decoded or of the missing end of a file."""
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
                yield VideoError(f"cannot be read further: {error.strerror}", source=self.name)
                return
            self.counts["read"] += packet.size > 0  # the last one is empty and flushes the decoder
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
        """The error of a lost frame, identified by its time, since packets are not in display order."""
        if packet.pts is None:
            return VideoError(reason, source=self.name, item=f"packet {self.counts['read'] - 1}")
        time = float(packet.pts * packet.time_base)
        insort(self._lost, time)
        return VideoError(reason, source=self.name, item=f"the frame at {max(0.0, time - (self._first or 0)):.2f} s")

    def _moment_of(self, frame: Any) -> Moment:
        displayed = self.counts["decoded"] + self._damaged
        if frame.time is None:
            return Moment(displayed + len(self._lost), float(displayed / (self.rate or 25)))
        self._first = frame.time if self._first is None else self._first
        self._last = max(0.0, frame.time - self._first)
        return Moment(displayed + bisect(self._lost, frame.time), self._last)

    def _ending(self) -> VideoError | None:
        """The error for frames missing at the end, if any."""
        reached = self.counts["decoded"] + self.counts["failed"]
        missing = (self.promised or 0) - max(self.counts["read"], reached)
        if not self.counts["read"] and not reached:
            return VideoError("has no frames", source=self.name)
        if missing > 0:
            self.counts["failed"] += missing
            return self._cut_off(f"at frame {reached} of {self.promised}")
        if self.promised is None and self.seconds is not None and self.rate is not None:
            missing_seconds = self.seconds - self._last - _SLACK / float(self.rate)
            if missing_seconds > 0 and not self.is_camera:
                return self._cut_off(f"at frame {reached}, {self._last:.2f} of {self.seconds:.2f} seconds")
        return None

    def _cut_off(self, where: str) -> VideoError:
        return VideoError(f"is cut off {where}", source=self.name, hint="copy or download it again")


def _upright(frame: Any) -> Image.Image:
    """The frame turned by its display matrix: phones store frames as the sensor was held."""
    pixels = frame.to_ndarray(format="rgb24")
    quarters = round(frame.rotation / 90)  # counterclockwise
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels)
