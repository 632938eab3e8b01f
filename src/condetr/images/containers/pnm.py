"""PBM, PGM, PPM and PFM, read as arrays, since Pillow decodes most of them in Python."""

import re
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from condetr.images.containers.header import Header, damaged, exactly
from condetr.images.decoding.sources import Stream

MAGIC = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf")
MOST_HEADER = 64 * 1024  # bytes, comments included
_SPACE = rb"(?:[ \t\n\v\f\r]|#[^\r\n]*[\r\n])"
_HEADER = {
    2: re.compile(rb"P.%s+(\d{1,9})%s+(\d{1,9})%s" % (_SPACE, _SPACE, rb"[ \t\n\v\f\r]")),
    3: re.compile(rb"P.%s+(\d{1,9})%s+(\d{1,9})%s+(\S{1,20})%s" % (_SPACE, _SPACE, _SPACE, rb"[ \t\n\v\f\r]")),
}
_COMMENT = re.compile(rb"#[^\r\n]*")
_DIGITS = b"0123456789 \t\n\v\f\r"
Levels: TypeAlias = Shaped[np.ndarray, "values"]


@dataclass(frozen=True, slots=True)
class _Stored:
    magic: bytes
    width: int
    height: int
    most: float
    start: int
    name: str

    @property
    def channels(self) -> int:
        return 3 if self.magic in (b"P3", b"P6") else 1

    @property
    def values(self) -> int:
        return self.width * self.height * self.channels


def read_pnm(stream: Stream, name: str, whole: bool) -> Header:  # noqa: ARG001, FBT001 - the signature of all readers
    stream.seek(0)
    head = stream.read(MOST_HEADER)
    magic = head[:2]
    header = _HEADER[2 if magic in (b"P1", b"P4") else 3].match(head)
    if header is None:
        raise damaged("its header has no valid size and range", name)
    try:
        most = 1.0 if header.lastindex == 2 else float(header[3] if magic == b"Pf" else int(header[3]))
    except ValueError:
        raise damaged(f"its range is {header[3]!r}", name) from None
    if not (0 < most < 65536 or (magic == b"Pf" and most < 0)):
        raise damaged(f"its range is {most:g}", name)
    stored = _Stored(magic, int(header[1]), int(header[2]), most, header.end(), name)

    def open_image() -> Image.Image:
        return _image(_values(stream, stored), stored)

    bits = 16 if most > 255 else 8
    return Header(format="PPM", width=stored.width, height=stored.height, bits=bits, open=open_image)


def _values(stream: Stream, stored: _Stored) -> Levels:
    """Every value as stored."""
    if stored.magic in (b"P1", b"P2", b"P3"):
        return _of_text(stream, stored)
    stream.seek(stored.start)
    if stored.magic == b"P4":
        row = -(-stored.width // 8)
        packed = np.frombuffer(exactly(stream, row * stored.height, stored.name), np.uint8)
        return np.unpackbits(packed.reshape(stored.height, row), axis=1)[:, : stored.width].ravel()
    order = "<" if stored.most < 0 else ">"
    kind = f"{order}f4" if stored.magic == b"Pf" else "u1" if stored.most < 256 else ">u2"
    size = stored.values * np.dtype(kind).itemsize
    return np.frombuffer(exactly(stream, size, stored.name), kind)


def _of_text(stream: Stream, stored: _Stored) -> Levels:
    stream.seek(stored.start)
    characters = 1 if stored.magic == b"P1" else 12  # of one value, with the space around it
    text = _COMMENT.sub(b" ", stream.read(stored.values * characters + MOST_HEADER))
    if text.translate(None, _DIGITS):
        raise damaged("a value is not a number", stored.name)
    if stored.magic == b"P1":
        values = np.frombuffer(text.translate(None, b" \t\n\v\f\r"), np.uint8)[: stored.values] - ord("0")
    else:
        values = _numbers(text, stored.values)
    if len(values) < stored.values:
        raise damaged("it ends too early", stored.name)
    if values.max(initial=0) > stored.most:
        raise damaged(f"a value is above {stored.most:g}", stored.name)
    return values


def _numbers(text: bytes, count: int) -> Levels:
    """All numbers, at most ``count``; with its own count argument, numpy would invent missing ones."""
    return np.fromstring(text.decode("ascii"), np.int64, sep=" ")[:count] if text.strip() else np.zeros(0, np.int64)


def _image(values: Levels, stored: _Stored) -> Image.Image:
    shape = (stored.height, stored.width, 3) if stored.channels == 3 else (stored.height, stored.width)
    if stored.magic == b"Pf":
        return Image.fromarray(values.astype(np.float32).reshape(shape)[::-1].copy())  # from the bottom up
    if stored.magic in (b"P1", b"P4"):
        return Image.fromarray(((1 - values.astype(np.uint8)) * 255).reshape(shape)).convert("1")
    most, wide = int(stored.most), stored.most > 255 and stored.channels == 1
    if most == 255:
        mode = "RGB" if stored.channels == 3 else "L"
        return Image.frombytes(mode, (stored.width, stored.height), np.asarray(values, np.uint8).data)
    highest = 65535 if wide else 255
    scaled = np.rint(np.minimum(np.arange(max(most, 255) + 1 if most < 256 else 65536) / most, 1) * highest)
    levels = scaled.astype(np.uint16 if wide else np.uint8)[values]
    return Image.fromarray(levels.reshape(shape))
