"""WebP: the chunks of its RIFF container."""

from PIL import Image, WebPImagePlugin

from condetr.images.containers.exif import orientation_of
from condetr.images.containers.header import MOST_FRAMES, MOST_XMP, Header, Parts, damaged, exactly, length_of
from condetr.images.containers.pieces import Pieces
from condetr.images.decoding.sources import Stream


def read_webp(stream: Stream, name: str, whole: bool) -> Header:  # noqa: ARG001, FBT001 - the signature of all readers
    """Raises ImageError where there is no image, or too many chunks."""
    stream.seek(12)
    first = exactly(stream, 18, name)
    size = _size_of(first)
    if size is None:
        raise damaged("it does not begin with its size", name)
    stream.seek(12)
    parts, metadata, frames = Parts("chunks", name), {b"EXIF": b"", b"XMP ": b""}, 0
    while len(head := stream.read(8)) == 8:
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        parts.add(length)
        frames += kind == b"ANMF"
        end = stream.tell() + length + length % 2
        if kind in metadata and not metadata[kind] and length <= MOST_XMP:
            metadata[kind] = exactly(stream, length, name)
        stream.seek(end)
    pieces = [(0, length_of(stream))]

    def open_image() -> Image.Image:
        return WebPImagePlugin.WebPImageFile(Pieces(stream, pieces))  # type: ignore[arg-type]

    return Header(
        format="WEBP",
        width=size[0],
        height=size[1],
        orientation=orientation_of(metadata[b"EXIF"], metadata[b"XMP "]),
        frames=max(1, min(frames, MOST_FRAMES)),
        open=open_image,
    )


def _size_of(first: bytes) -> tuple[int, int] | None:
    """Width and height, from the first chunk."""
    kind, content = first[:4], first[8:]
    if kind == b"VP8X":
        return int.from_bytes(content[4:7], "little") + 1, int.from_bytes(content[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(content[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(content[6:8], "little") & 0x3FFF, int.from_bytes(content[8:10], "little") & 0x3FFF
    return None
