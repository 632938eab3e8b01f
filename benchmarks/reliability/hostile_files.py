"""Hostile image files at full size: a few MB that would take minutes or gigabytes if they were believed."""

import struct
import zlib
from collections.abc import Callable, Iterator

from PIL import Image
from tests.unit.images.hostile import (
    READ,
    REFUSED,
    chunk,
    gif_of,
    gif_with,
    gray_tags,
    jpeg_of_many_scans,
    jpeg_with,
    overlapping_exif,
    png_with,
    riff,
    run_lengths,
    segment,
    tiff,
    webp_chunk,
    webp_with,
)

RESOURCES = segment(0xED, b"Photoshop 3.0\0" + b"8BIM".ljust(12, b"\0") * 5_000)
TEXT = zlib.compress(bytes(10**6), 9)
EXIF = segment(0xE1, b"Exif\0\0" + overlapping_exif())
OVERLAP = overlapping_exif(5_000, 60_000)


def strips(count: int, *, each: int, data: bytes) -> bytes:
    """All strips are the same bytes."""
    places = struct.pack("<L", 1000 + 8 * count) * count
    tags = gray_tags(64, count, 8, strips=count, sizes=1000 + 4 * count)
    return tiff(tags, places + struct.pack("<L", each) * count + data)


def directories(count: int) -> bytes:
    """Empty ones behind the first, each with the place of the next."""
    chain = b"".join(bytes(2) + struct.pack("<L", 2000 + 6 * (place + 1)) for place in range(count))
    return tiff(gray_tags(8, 8), bytes(1000) + chain, following=2000)


FULL_SIZE: dict[str, Callable[[], bytes]] = {
    "gif, 3 MB comment of single bytes": lambda: gif_with(b"!\xfe" + b"\1x" * 1_500_000 + b"\0"),
    "gif, 30 MB comment": lambda: gif_with(b"!\xfe" + (b"\xff" + b"x" * 255) * 120_000 + b"\0"),
    "gif, 600,000 comments": lambda: gif_with(b"!\xfe\1x\0" * 600_000),
    "gif, a million empty extensions": lambda: gif_with(b"!\xf9\0" * 10**6),
    "gif, 3 MB of zeros": lambda: gif_with(bytes(3_000_000)),
    "gif, 9500x9500 on a small screen": lambda: gif_of(9_500, 9_500, 2),
    "gif, 65535x65535 on a small screen": lambda: gif_of(65_535, 65_535, 3),
    "gif, 200,000 frames": lambda: gif_of(1, 1, 0)[:-1] + gif_of(1, 1, 0)[27:-1] * 200_000 + b";",
    "jpeg, 50 segments of overlapping tags": lambda: jpeg_with(EXIF * 50),
    "jpeg, 270,000 EXIF segments": lambda: jpeg_with(segment(0xE1, b"Exif\0\0x") * 270_000),
    "jpeg, 750,000 empty segments": lambda: jpeg_with(segment(0xE0, b"") * 750_000),
    "jpeg, 230,000 resources": lambda: jpeg_with(RESOURCES * 46),
    "jpeg, 26,000 parts of a profile": lambda: jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(100)) * 26_000),
    "jpeg, 3 MB of padding": lambda: jpeg_with(junk=b"\xff" * 3_000_000),
    "jpeg, 3 MB of zeros": lambda: jpeg_with(junk=bytes(3_000_000)),
    "jpeg, 3 MB of quantization tables": lambda: jpeg_with(segment(0xDB, (b"\0" + bytes(range(1, 65))) * 1_000) * 46),
    "jpeg, 140,000 Huffman tables": lambda: jpeg_with(segment(0xC4, b"\0" + bytes(16)) * 140_000),
    "jpeg, 18,000 frame headers": lambda: jpeg_with(segment(0xC0, bytes([8, 0, 32, 0, 32, 1, 1, 17, 0])) * 18_000),
    "jpeg, 98 million pixels, 2,000 scans": lambda: jpeg_of_many_scans(2_000, Image.new("RGB", (9_900, 9_900))),
    "jpeg, 98 million pixels, 60 scans": lambda: jpeg_of_many_scans(60, Image.new("RGB", (9_900, 9_900))),
    "png, overlapping tags": lambda: png_with(chunk(b"eXIf", OVERLAP)),
    "png, overlapping tags behind the pixels": lambda: png_with(after=chunk(b"eXIf", OVERLAP)),
    "png, 190,000 texts": lambda: png_with(chunk(b"tEXt", b"a\0b") * 190_000),
    "png, 190,000 texts behind the pixels": lambda: png_with(after=chunk(b"tEXt", b"a\0b") * 190_000),
    "png, texts that inflate to 2.8 GB": lambda: png_with(chunk(b"zTXt", b"k\0\0" + TEXT) * 2_800),
    "png, XMP that inflates to 2.5 GB": lambda: png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + TEXT) * 2_500),
    "png, profiles that inflate to 2.8 GB": lambda: png_with(chunk(b"iCCP", b"k\0\0" + TEXT) * 2_800),
    "png, 250,000 pieces of pixels": lambda: png_with(chunk(b"IDAT", b"") * 250_000),
    "png, 100,000 animation chunks": lambda: png_with(
        chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), after=chunk(b"fdAT", b"\0\0\0\1abc") * 100_000
    ),
    "webp, overlapping tags": lambda: webp_with(webp_chunk(b"EXIF", OVERLAP), flags=8),
    "webp, 375,000 chunks": lambda: webp_with(webp_chunk(b"JUNK", b"") * 375_000),
    "webp, 19,000 chunks": lambda: webp_with(webp_chunk(b"JUNK", b"") * 19_000),
    "webp, a canvas of 65536x65536": lambda: riff(
        webp_chunk(b"VP8X", b"\2\0\0\0" + b"\xff\xff\0" * 2), webp_chunk(b"ANIM", bytes(6))
    ),
    "tiff, 1,000 tags of the same 200 kB": lambda: tiff(
        gray_tags(8, 8) | {40_000 + tag: (7, 200_000, 1000) for tag in range(1_000)}, bytes(200_000)
    ),
    "tiff, 50,000 strips of the same bytes": lambda: strips(50_000, each=10**5, data=zlib.compress(bytes(64))),
    "tiff, a million strips": lambda: strips(10**6, each=11, data=zlib.compress(bytes(64))),
    "tiff, tiles of 40000x40000": lambda: tiff(
        gray_tags(8, 8, 8) | {322: (4, 1, 40_000), 323: (4, 1, 40_000)}, zlib.compress(bytes(10**8), 1)
    ),
    "tiff, resolutions of 375,000 values": lambda: tiff(gray_tags(8, 8) | {282: (5, 375_000, 1000)}, bytes(3_000_000)),
    "tiff, 300,000 directories": lambda: directories(300_000),
    "tiff, a circle of directories": lambda: tiff(gray_tags(8, 8), bytes(64), following=8),
    "tiff, EXIF is the whole again": lambda: tiff(gray_tags(8, 8) | {34_665: (4, 1, 8)}, bytes(64)),
    "tiff, 65,535 tags": lambda: (
        b"II*\0" + struct.pack("<LH", 8, 65_535) + struct.pack("<HHLL", 7, 7, 600_000, 10) * 65_535
    ),
    "pnm, 3 MB with values up to 254": lambda: b"P5 1500 2000 254\n" + bytes(3_000_000),
    "pnm, 3 MB of numbers": lambda: b"P2 1500 1000 254\n" + b"1\n" * 1_500_000,
    "pnm, 3 MB of bits": lambda: b"P1 1500 2000\n" + b"1" * 3_000_000,
    "pnm, a million comments": lambda: b"P2 10 10 255\n" + b"#x\n" * 10**6 + b"1 " * 100,
    "pnm, a comment of 3 MB": lambda: b"P5\n#" + b"x" * 3_000_000 + b"\n10 10 255\n" + bytes(100),
    "pnm, a number of 3 million digits": lambda: b"P2 1 1 255\n" + b"9" * 3_000_000,
    "pnm, 999999999x999999999": lambda: b"P5 999999999 999999999 255\n",
    "bmp, 1 MB of run lengths": lambda: run_lengths(10**6),
    "bmp, 30 MB of run lengths": lambda: run_lengths(30 * 10**6),
}  # fmt: skip


def hostile_files() -> Iterator[tuple[str, bytes]]:
    """Built when they are asked for: all together they are some 200 MB."""
    yield from READ.items()
    yield from ((name, data) for name, (data, _) in REFUSED.items())
    yield from ((name, build()) for name, build in FULL_SIZE.items())
