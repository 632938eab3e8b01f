"""PNG: chunks and their checksums. Pillow reads size, palette, transparency and pixels only."""

import zlib
from collections.abc import Iterator

from PIL import Image, PngImagePlugin

from condetr.images.containers.exif import orientation_of
from condetr.images.containers.header import MOST_FRAMES, MOST_XMP, Header, Parts, damaged, exactly
from condetr.images.containers.pieces import Piece, Pieces
from condetr.images.decoding.sources import Stream

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST = 1024  # bytes of a palette or of transparency
_TEXTS = (b"eXIf", b"iTXt", b"zTXt", b"tEXt")
_RAW_EXIF, _XMP = b"Raw profile type exif", b"XML:com.adobe.xmp"
_BLOCK = 2**16


def read_png(stream: Stream, name: str, whole: bool) -> Header:  # noqa: FBT001 - the signature of all readers
    """Raises ImageError where there is no image or too many chunks, and if ``whole``, where a checksum is wrong."""
    head: dict[bytes, bytes] = {}
    exif: bytes | None = None
    raw: bytes | None = None
    xmp: bytes | None = None
    first = last = 0
    frames = 1
    for kind, start, content in _chunks(stream, name, whole=whole):
        if kind == b"IDAT":
            first, last = first or start, stream.tell()
        elif kind in (b"IHDR", b"PLTE", b"tRNS"):
            head[kind] = content
        elif kind == b"acTL":
            frames = max(1, min(int.from_bytes(content[:4], "big"), MOST_FRAMES))
        elif kind == b"eXIf":
            exif = content if exif is None else exif
        elif content.startswith(_RAW_EXIF):
            raw = _raw_profile(_text(kind, content)) if raw is None else raw
        elif content.startswith(_XMP):
            xmp = _text(kind, content) if xmp is None else xmp
    size = head.get(b"IHDR", b"")
    if len(size) != 13:
        raise damaged("it does not begin with its size", name)
    if not first:
        raise damaged("it has no pixels", name)
    before = [_chunk(kind, head[kind]) for kind in (b"IHDR", b"PLTE", b"tRNS") if kind in head]
    pieces: list[Piece] = [SIGNATURE + b"".join(before), (first, last), _chunk(b"IEND", b"")]

    def open_image() -> Image.Image:
        return PngImagePlugin.PngImageFile(Pieces(stream, pieces))  # type: ignore[arg-type]

    return Header(
        format="PNG",
        width=int.from_bytes(size[:4], "big"),
        height=int.from_bytes(size[4:8], "big"),
        orientation=orientation_of(exif or raw or b"", xmp or b""),
        frames=frames,
        bits=size[8],
        open=open_image,
    )


def _chunks(stream: Stream, name: str, *, whole: bool) -> Iterator[tuple[bytes, int, bytes]]:
    """Kind and offset of each chunk up to the end of the image, and the content of those that are needed."""
    stream.seek(len(SIGNATURE))
    parts = Parts("chunks", name)
    start = stream.tell()
    while len(head := stream.read(8)) == 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        parts.add(size)
        if kind == b"IEND":
            return
        if kind in (b"IHDR", b"PLTE", b"tRNS") and size > _LARGEST:
            raise damaged(f"its {kind.decode()} chunk has {size} bytes", name)
        needed = kind in (b"IHDR", b"PLTE", b"tRNS", b"acTL", *_TEXTS) and size <= MOST_XMP
        content = _content(stream, kind, size, name, check=whole or needed)
        yield kind, start, content if needed else b""
        start = stream.tell()
    if whole:
        raise damaged("it ends too early", name)


def _content(stream: Stream, kind: bytes, size: int, name: str, *, check: bool) -> bytes:
    """The content of a chunk, at most its first `MOST_XMP` bytes; nothing where its checksum is not checked."""
    if not check:
        stream.seek(size + 4, 1)
        return b""
    content = exactly(stream, min(size, MOST_XMP), name)
    checksum, left = zlib.crc32(content, zlib.crc32(kind)), size - len(content)
    while left:
        block = exactly(stream, min(left, _BLOCK), name)
        checksum, left = zlib.crc32(block, checksum), left - len(block)
    if int.from_bytes(exactly(stream, 4, name), "big") != checksum:
        raise damaged(f"the checksum of its {kind.decode('latin-1')} chunk is wrong", name)
    return content


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def _text(kind: bytes, content: bytes) -> bytes:
    """The text of a tEXt, zTXt or iTXt chunk, at most `MOST_XMP` bytes of compressed text."""
    rest = content.partition(b"\0")[2]
    compressed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    text = rest[1:] if kind == b"zTXt" else rest
    if kind == b"iTXt":
        text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    try:
        return zlib.decompressobj().decompress(text, MOST_XMP) if compressed else text
    except zlib.error:
        return b""


def _raw_profile(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.split(b"\n", 3)[-1].decode("ascii"))  # after three lines of header
    except ValueError:
        return b""
