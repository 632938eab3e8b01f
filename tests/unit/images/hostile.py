"""Small files that take time or memory without end where they are given to Pillow as they are, by name."""

import struct
import zlib

from PIL import Image

from tests.unit.images.images import encoded, quarters

MOST_PARTS = 2_000  # what tests set the limit to, a tenth of what it is
PARTS = 3_000


def overlapping_exif(tags: int = 4_000, size: int = 12_000) -> bytes:
    """All tags point at the same bytes."""
    end = 14 + 12 * tags
    entries = b"".join(struct.pack("<HHLL", 0x9000 + tag, 7, size, end) for tag in range(tags))
    return b"II*\0" + struct.pack("<LH", 8, tags) + entries + bytes(4) + bytes(size)


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def jpeg_with(*segments: bytes, junk: bytes = b"") -> bytes:
    data = encoded(quarters(), "JPEG")
    return data[:2] + b"".join(segments) + (b"\xff" if junk else b"") + junk + data[2:]


def jpeg_of_many_scans(scans: int = 200, image: Image.Image | None = None) -> bytes:
    data = encoded(image or quarters(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png_with(*chunks: bytes, after: bytes = b"") -> bytes:
    data = encoded(quarters(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:-12] + after + data[-12:]


def gif_with(blocks: bytes) -> bytes:
    data = encoded(quarters(), "GIF")
    start = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    return data[:start] + blocks + data[start:]


def gif_of(width: int, height: int, disposal: int) -> bytes:
    control = b"!\xf9\x04" + bytes([disposal << 2, 0, 0, 0, 0])
    image = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02D\x01\0;"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + control + image


def riff(*chunks: bytes) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<L", len(content)) + content


def webp_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<L", len(content)) + content + bytes(len(content) % 2)


def webp_with(*chunks: bytes, flags: int = 0) -> bytes:
    extended = bytes([flags, 0, 0, 0]) + (95).to_bytes(3, "little") + (63).to_bytes(3, "little")
    return riff(webp_chunk(b"VP8X", extended), encoded(quarters(), "WEBP")[12:], *chunks)


def tiff(tags: dict[int, tuple[int, int, int]], data: bytes = b"", following: int = 0) -> bytes:
    """Tag: type, number of values, and the value itself or its place; ``data`` begins at 1000."""
    entries = b"".join(struct.pack("<HHLL", tag, *tags[tag]) for tag in sorted(tags))
    head = b"II*\0" + struct.pack("<LH", 8, len(tags)) + entries + struct.pack("<L", following)
    return head.ljust(1000, b"\0") + data


def gray_tags(width: int, height: int, compression: int = 1, **places: int) -> dict[int, tuple[int, int, int]]:
    strips = places.get("strips", 1)
    tags = {
        256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, compression), 262: (3, 1, 1),
        277: (3, 1, 1), 273: (4, strips, 1000), 279: (4, strips, places.get("sizes", width * height)),
    }  # fmt: skip
    return tags | ({278: (4, 1, 1)} if strips > 1 else {})


def run_lengths(size: int) -> bytes:
    head = struct.pack("<LiiHHLLLLLL", 40, 3000, 3000, 1, 8, 1, size, 0, 0, 256, 0)
    return b"BM" + struct.pack("<LLL", 1078 + size, 0, 1078) + head + bytes(1024) + b"\1\5" * (size // 2)


_EXIF = b"Exif\0\0" + overlapping_exif()
_TEXT = zlib.compress(bytes(10**6), 9)

READ = {  # as if what is hostile in them were not there
    "jpeg: tags of EXIF point at the same bytes": jpeg_with(segment(0xE1, _EXIF)),
    "jpeg: tags of each EXIF segment do": jpeg_with(*[segment(0xE1, _EXIF)] * 9),
    "jpeg: tags of MPF do": jpeg_with(segment(0xE2, b"MPF\0" + overlapping_exif())),
    "jpeg: many long segments": jpeg_with(*[segment(0xE1, b"Exif\0\0" + bytes(65_000))] * 46),
    "png: tags of EXIF point at the same bytes": png_with(chunk(b"eXIf", overlapping_exif())),
    "png: they do behind the pixels": png_with(after=chunk(b"eXIf", overlapping_exif())),
    "png: a profile that inflates": png_with(chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(10**7), 9))),
    "png: texts that inflate": png_with(chunk(b"zTXt", b"k\0\0" + _TEXT) * 500),
    "png: EXIF as text that inflates": png_with(chunk(b"zTXt", b"Raw profile type exif\0\0" + _TEXT) * 500),
    "webp: tags of EXIF point at the same bytes": webp_with(webp_chunk(b"EXIF", overlapping_exif()), flags=8),
    "gif: a long comment": gif_with(b"!\xfe" + (b"\xff" + b"x" * 255) * 12_000 + b"\0"),
}  # fmt: skip
REFUSED = {  # and what the error says
    "jpeg: many segments": (jpeg_with(segment(0xFE, b"x") * PARTS), "more than 2000 segments"),
    "jpeg: padding": (jpeg_with(junk=b"\xff" * 70_000), "a segment is missing"),
    "jpeg: many scans": (jpeg_of_many_scans(), "more than 100 scans"),
    "png: many texts": (png_with(chunk(b"tEXt", b"a\0b") * PARTS), "more than 2000 chunks"),
    "png: many texts behind the pixels": (png_with(after=chunk(b"tEXt", b"a\0b") * PARTS), "more than 2000 chunks"),
    "png: a palette of a megabyte": (png_with(chunk(b"PLTE", bytes(10**6))), "its PLTE chunk has 1000000 bytes"),
    "png: pixels in many pieces": (png_with(chunk(b"IDAT", b"") * PARTS), "more than 2000 chunks"),
    "gif: a comment in many pieces": (gif_with(b"!\xfe" + b"\1x" * PARTS + b"\0"), "more than 2000 blocks"),
    "gif: many comments": (gif_with(b"!\xfe\1x\0" * PARTS), "more than 2000 blocks"),
    "gif: empty extensions": (gif_with(b"!\xf9\0" * PARTS), "more than 2000 blocks"),
    "gif: padding": (gif_with(bytes(10**5)), "a block is missing"),
    "gif: a huge image on a small screen": (gif_of(65_535, 65_535, 2), "over the limit"),
    "webp: many chunks": (webp_with(webp_chunk(b"JUNK", b"") * PARTS), "more than 2000 chunks"),
    "webp: a huge canvas": (riff(webp_chunk(b"VP8X", b"\2\0\0\0" + b"\xff\xff\0" * 2)) + bytes(9), "over the limit"),
    "tiff: tags point at the same bytes": (
        tiff(gray_tags(8, 8) | {40_000 + tag: (7, 50_000, 1000) for tag in range(70)}, bytes(50_000)),
        "tags claim 3500000 bytes, but the file has 51000",
    ),
    "tiff: strips do": (
        tiff(
            gray_tags(8, 2_000, 8, strips=2_000, sizes=9_000),
            struct.pack("<L", 17_000) * 2_000 + struct.pack("<L", 50_000) * 2_000 + bytes(50_000),
        ),
        "strips claim 100000000 bytes",
    ),
    "tiff: many tags": (b"II*\0" + struct.pack("<LH", 8, 60_000) + bytes(60_000 * 12 + 4), "more than 4096 tags"),
    "tiff: a tile of gigabytes": (
        tiff(gray_tags(8, 8, 8) | {322: (4, 1, 40_000), 323: (4, 1, 40_000)}, bytes(999)), "tiles are 40000x40000",
    ),
    "tiff: a resolution of many values": (tiff(gray_tags(8, 8) | {282: (5, 9_999, 1000)}, bytes(10**5)), "tag 282"),
    "tiff: strips are missing": (tiff(gray_tags(8, 8) | {278: (4, 1, 1)}, bytes(99)), "1 of 8 strips"),
    "pnm: a header of comments": (b"P5\n#" + b"x" * 10**6 + b"\n1 1 255\n1", "its header has no valid size and range"),
    "pnm: a number of a million digits": (b"P2 1 1 255\n" + b"9" * 10**6, "a value is above 255"),
    "bmp: many run lengths": (run_lengths(6 * 2**20), "of run lengths"),
}  # fmt: skip
