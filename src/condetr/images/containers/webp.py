"""WebP: the chunks of its RIFF container."""

from PIL import Image, WebPImagePlugin

from condetr.images.containers.exif import orientation_of
from condetr.images.containers.header import MOST_FRAMES, MOST_XMP, Header, Parts, damaged, exactly, length_of
from condetr.images.containers.pieces import Pieces
from condetr.images.decoding.sources import Stream


def read_webp(stream: Stream, name: str, whole: bool) -> Header:  # noqa: ARG001, FBT001 - as the others
    """Raises ImageError where there is no image, or too many chunks."""
    stream.seek(12)
    first = exactly(stream, 18, name)
    size = _size_of(first)
    if size is None:
        raise damaged("it does not begin with its size", name)
    stream.seek(12)
    parts, found, frames = Parts("chunks", name), {b"EXIF": b"", b"XMP ": b""}, 0
    while len(head := stream.read(8)) == 8:
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        parts.add(length)
        frames += kind == b"ANMF"
        place = stream.tell() + length + length % 2
        if kind in found and not found[kind] and length <= MOST_XMP:
            found[kind] = exactly(stream, length, name)
        stream.seek(place)
    pieces = [(0, length_of(stream))]

    def open_it() -> Image.Image:
        return WebPImagePlugin.WebPImageFile(Pieces(stream, pieces))  # type: ignore[arg-type]

    return Header(
        format="WEBP",
        width=size[0],
        height=size[1],
        orientation=orientation_of(found[b"EXIF"], found[b"XMP "]),
        frames=max(1, min(frames, MOST_FRAMES)),
        open=open_it,
    )


def _size_of(first: bytes) -> tuple[int, int] | None:
    """Width and height, of the first chunk."""
    kind, content = first[:4], first[8:]
    if kind == b"VP8X":
        return int.from_bytes(content[4:7], "little") + 1, int.from_bytes(content[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(content[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(content[6:8], "little") & 0x3FFF, int.from_bytes(content[8:10], "little") & 0x3FFF
    return None
