"""GIF: blocks up to the first image, the only one that Pillow reads."""

from typing import NamedTuple

from PIL import GifImagePlugin, Image

from condetr.images.containers.header import MOST_FRAMES, MOST_JUNK, Header, Parts, damaged, exactly, length_of
from condetr.images.containers.pieces import Piece, Pieces
from condetr.images.decoding.sources import Stream

_EXTENSION, _IMAGE, _END, _CONTROL = b"!", b",", b";", 0xF9


class Graphics(NamedTuple):
    """The index of the transparent color of an image, and what is done with its pixels before the next is drawn."""

    transparent: int | None
    disposal: int


def read_gif(stream: Stream, name: str, whole: bool) -> Header:  # noqa: FBT001 - the signature of all readers
    """Raises ImageError where there is no image, or too many blocks before it. If ``whole``, counts the frames."""
    stream.seek(0)
    screen = exactly(stream, 13, name)
    palette = exactly(stream, palette_size(screen[10]), name)
    parts = Parts("blocks", name)
    graphics = to_next_image(stream, parts, name)
    if graphics is None:
        raise damaged("it has no image", name)
    start, length = stream.tell() - 1, length_of(stream)
    left, top, width, height = (int.from_bytes(exactly(stream, 2, name), "little") for _ in range(4))
    width = max(int.from_bytes(screen[6:8], "little"), left + width)
    height = max(int.from_bytes(screen[8:10], "little"), top + height)
    if width > 0xFFFF or height > 0xFFFF:
        raise damaged("an image extends beyond the logical screen", name)
    screen = screen[:6] + width.to_bytes(2, "little") + height.to_bytes(2, "little") + screen[10:]
    control = b"" if graphics.transparent is None else control_block(graphics._replace(disposal=0))
    pieces: list[Piece] = [screen + palette + control, (start, length)]

    def open_image() -> Image.Image:
        return GifImagePlugin.GifImageFile(Pieces(stream, pieces))  # type: ignore[arg-type]

    frames = 1 + _more_images(stream, Parts("blocks", name), name) if whole else 1
    return Header(format="GIF", width=width, height=height, frames=frames, open=open_image)


def palette_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def to_next_image(stream: Stream, parts: Parts, name: str) -> Graphics | None:
    """How the next image is drawn; None where the file ends."""
    transparent, disposal, junk = None, 0, 0
    while (kind := stream.read(1)) not in (b"", _END, _IMAGE):
        if kind == _EXTENSION:
            parts.add(1)
            label = exactly(stream, 1, name)[0]
            first = skip_blocks(stream, parts, name)
            if label == _CONTROL and len(first) >= 4:
                transparent = first[3] if first[0] & 1 else transparent
                disposal = first[0] >> 2 & 7
        elif (junk := junk + 1) > MOST_JUNK:
            raise damaged("a block is missing", name)
    return Graphics(transparent, disposal) if kind == _IMAGE else None


def control_block(graphics: Graphics) -> bytes:
    """The block that states it, without a delay."""
    is_transparent = graphics.transparent is not None
    return b"!\xf9\x04" + bytes([graphics.disposal << 2 | is_transparent, 0, 0, graphics.transparent or 0, 0])


def skip_blocks(stream: Stream, parts: Parts, name: str) -> bytes:
    """Skip a sequence of sub-blocks and return the first."""
    first = b""
    while size := exactly(stream, 1, name)[0]:
        parts.add(size)
        if first:
            stream.seek(size, 1)
        else:
            first = exactly(stream, size, name)
    return first


def _more_images(stream: Stream, parts: Parts, name: str) -> int:
    """How many images follow the one whose position has been read; an unreadable block ends the count."""
    frames = 0
    try:
        while frames < MOST_FRAMES:
            stream.seek(palette_size(exactly(stream, 1, name)[0]) + 1, 1)
            skip_blocks(stream, parts, name)
            if to_next_image(stream, parts, name) is None:
                break
            frames += 1
            exactly(stream, 8, name)
    except Exception:  # only the first image is decoded
        return frames
    return frames
