"""JPEG: segments up to the pixels. Pillow reads those that decoding needs, and no EXIF, profile or comment."""

from PIL import Image, JpegImagePlugin

from condetr.core.errors import ImageError
from condetr.images.containers.exif import PREFIX, orientation_of
from condetr.images.containers.header import MOST_JUNK, Header, Parts, damaged, exactly, length_of
from condetr.images.containers.pieces import Piece, Pieces
from condetr.images.decoding.sources import Stream

MOST_SCANS = 100  # each is a pass over the whole image; encoders write about 10
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_APP1, _ADOBE, _COMMENT, _SCAN = 0xE1, 0xEE, 0xFE, 0xDA
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a segment: TEM and RST
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF: the size of the image
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_BLOCK = 2**20


def read_jpeg(stream: Stream, name: str, whole: bool) -> Header:  # noqa: FBT001 - the signature of all readers
    """Raises ImageError where there is no image or too many segments, and if ``whole``, too many scans."""
    stream.seek(2)
    parts, needed = Parts("segments", name), [b"\xff\xd8"]
    exif = xmp = frame = b""
    kind = 0
    while (marker := _next_marker(stream, name)) != _SCAN:
        if marker in _ALONE:
            continue
        size = int.from_bytes(exactly(stream, 2, name), "big") - 2
        parts.add(size)
        if size < 0:
            raise damaged("a segment has a negative size", name)
        if marker == _APP1:
            segment = exactly(stream, size, name)
            exif = exif or (segment if segment.startswith(PREFIX) else b"")
            xmp = segment if segment.startswith(_XMP) else xmp
        elif marker == _COMMENT or (0xE2 <= marker <= 0xEF and marker != _ADOBE):
            stream.seek(size, 1)
        else:
            segment = exactly(stream, size, name)
            needed.append(bytes([0xFF, marker]) + (size + 2).to_bytes(2, "big") + segment)
            if marker in _SIZES:
                frame, kind = segment, marker
    start = stream.tell() - 2
    if len(frame) < 6:
        raise damaged("its pixels come before their size", name)
    scanned = exactly(stream, 3, name)[2]  # channels in the first scan
    if whole and (kind in _PROGRESSIVE or scanned < frame[5]):
        check_scans(stream, 1, MOST_SCANS, name)
    pieces: list[Piece] = [b"".join(needed), (start, length_of(stream))]

    def open_image() -> Image.Image:
        return JpegImagePlugin.JpegImageFile(Pieces(stream, pieces))  # type: ignore[arg-type]

    return Header(
        format="JPEG",
        width=int.from_bytes(frame[3:5], "big"),
        height=int.from_bytes(frame[1:3], "big"),
        orientation=orientation_of(exif, xmp),
        open=open_image,
    )


def _next_marker(stream: Stream, name: str) -> int:
    for _ in range(MOST_JUNK):
        if exactly(stream, 1, name) != b"\xff":
            continue
        marker = exactly(stream, 1, name)
        if marker == b"\xff":  # padding: several 0xFF count as one
            stream.seek(-1, 1)
        elif marker != b"\0":
            return marker[0]
    raise damaged("a segment is missing", name)


def check_scans(stream: Stream, scans: int, most: int, name: str) -> None:
    """Count the scans in the rest of the stream on top of ``scans``; raises ImageError past ``most``."""
    last = b""
    while block := stream.read(_BLOCK):
        scans += (last + block).count(b"\xff\xda")
        last = block[-1:]
        if scans > most:
            raise ImageError(f"has more than {most} scans", source=name, hint="save it again")
