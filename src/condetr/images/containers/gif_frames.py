"""GIF: all images of an animation, each of which is drawn over those before."""

from typing import NamedTuple

from PIL import GifImagePlugin

from condetr.core.errors import ImageError
from condetr.images.containers.gif import control_block, palette_size, skip_blocks, to_next_image
from condetr.images.containers.header import Parts, exactly
from condetr.images.containers.pieces import Piece, Pieces
from condetr.images.decoding.sources import Stream


class Frames(NamedTuple):
    """The frames of a file.

    Attributes:
        whole: how many are whole.
        is_damaged: whether the file ends, or cannot be read, in the middle of another one.
        width: of the canvas that holds all of them.
        height: likewise.
        pieces: of the file, as Pillow may read them.
    """

    whole: int
    is_damaged: bool
    width: int
    height: int
    pieces: list[Piece]

    def open(self, stream: Stream) -> tuple[GifImagePlugin.GifImageFile, Pieces]:
        """Pillow's image, and the stream that it reads."""
        pieces = Pieces(stream, self.pieces)
        return GifImagePlugin.GifImageFile(pieces), pieces  # type: ignore[arg-type]


def frames_of(stream: Stream, name: str, most: int) -> Frames:
    """The first ``most`` frames, without comments and other extensions."""
    stream.seek(0)
    screen = exactly(stream, 13, name)
    palette = exactly(stream, palette_size(screen[10]), name)
    width, height = (int.from_bytes(screen[at : at + 2], "little") for at in (6, 8))
    pieces: list[Piece] = []
    parts, count, is_damaged = Parts("blocks", name), 0, False
    try:
        while count < most and (graphics := to_next_image(stream, parts, name)) is not None:
            start = stream.tell() - 1
            descriptor = exactly(stream, 9, name)
            stream.seek(palette_size(descriptor[8]) + 1, 1)
            skip_blocks(stream, parts, name)
            left, top, across, down = (int.from_bytes(descriptor[at : at + 2], "little") for at in (0, 2, 4, 6))
            width, height = max(width, left + across), max(height, top + down)
            pieces += [control_block(graphics), (start, stream.tell())]
            count += 1
    except ImageError:
        is_damaged = True
    sides = b"".join(min(side, 0xFFFF).to_bytes(2, "little") for side in (width, height))
    return Frames(count, is_damaged, width, height, [screen[:6] + sides + screen[10:] + palette, *pieces, b";"])
