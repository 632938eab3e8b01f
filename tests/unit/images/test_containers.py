"""Files that are made to take time or memory are refused or read without it, and honest large ones are read."""

import io
import itertools
import resource
import struct

import numpy as np
import pytest
from PIL import BmpImagePlugin, GifImagePlugin, Image, ImageOps, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from condetr.core.errors import ImageError, ModelError
from condetr.images.containers import header, pieces
from condetr.images.decoding import decode as decoding
from condetr.images.decoding import frames
from condetr.images.decoding.decode import decode, decode_as_stored
from condetr.images.decoding.headers import upright_size
from tests.unit.images.hostile import MOST_PARTS, READ, REFUSED, gray_tags, segment, tiff
from tests.unit.images.images import assert_quarters, encoded, noise, quarters

PLUGINS = (
    BmpImagePlugin.BmpImageFile, GifImagePlugin.GifImageFile, JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile, TiffImagePlugin.TiffImageFile,
)  # fmt: skip


@pytest.fixture(autouse=True)
def fewer_parts(monkeypatch):
    assert header.MOST_PARTS == 10 * MOST_PARTS
    monkeypatch.setattr(header, "MOST_PARTS", MOST_PARTS)


@pytest.fixture
def seen_by_pillow(monkeypatch):
    """What Pillow read while it opened files, in bytes."""
    read = []

    class Watched(pieces.Pieces):
        def read(self, size=-1):
            read.append(super().read(size))
            return read[-1]

    for module in ("jpeg", "png", "gif"):
        monkeypatch.setattr(f"condetr.images.containers.{module}.Pieces", Watched)
    return read


@pytest.mark.parametrize("name", READ)
def test_metadata_never_reaches_pillow(name, seen_by_pillow, tmp_path):
    assert_quarters(decode(READ[name]), 12)
    assert sum(map(len, seen_by_pillow)) < 20_000
    (tmp_path / "a").write_bytes(READ[name])
    assert upright_size(tmp_path / "a") == (64, 96)


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_files_are_refused_before_pillow_reads_them(name, monkeypatch):
    data, reason = REFUSED[name]
    for plugin in PLUGINS:
        if not name.startswith(("pnm", "tiff")):
            monkeypatch.setattr(plugin, "_open", lambda self: pytest.fail("Pillow opened it"))
    before = resource.getrusage(resource.RUSAGE_SELF)
    with pytest.raises(ImageError, match=reason):
        decode(data)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_maxrss - before.ru_maxrss < 200_000  # KiB


EXIF = Image.Exif()
EXIF[0x010F], EXIF[0x0112], EXIF[0x927C] = "maker", 6, b"thumbnail" * 7_000


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"exif": EXIF.tobytes(), "icc_profile": bytes(range(256)) * 2_000, "comment": b"c" * 60_000}),
        ("JPEG", {"exif": EXIF.tobytes(), "progressive": True, "xmp": b"x" * 60_000}),
        ("PNG", {"exif": EXIF.tobytes(), "icc_profile": bytes(range(256)) * 2_000}),
        ("WEBP", {"exif": EXIF.tobytes(), "icc_profile": bytes(99_999), "xmp": b"x" * 10**6, "lossless": True}),
        ("TIFF", {"exif": EXIF, "icc_profile": bytes(10**6)}),
        ("TIFF", {"exif": EXIF, "compression": "tiff_lzw", "strip_size": 200, "big_tiff": True}),
        ("TIFF", {"compression": "jpeg", "strip_size": 20_000}),
        ("GIF", {"comment": b"c" * 10**6, "transparency": 3}),
    ],
)
def test_valid_files_with_much_metadata_are_read_as_pillow_reads_them(kind, options):
    data = encoded(noise(400, 90), kind, **options)
    with Image.open(io.BytesIO(data)) as theirs:
        theirs.load()
        expected = ImageOps.exif_transpose(theirs).convert("RGBA" if kind == "GIF" else "RGB")
    if kind == "GIF":
        expected = Image.alpha_composite(Image.new("RGBA", expected.size, "white"), expected).convert("RGB")
    assert np.array_equal(decode(data), expected)


@pytest.mark.parametrize("where", ["XML:com.adobe.xmp", "Raw profile type exif"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_orientation_in_the_texts_of_a_png_counts(where, packed):
    exif = Image.Exif()
    exif[0x0112] = 3
    text = exif.tobytes().hex() if where.startswith("Raw") else '<x tiff:Orientation="3"/>'
    info = PngImagePlugin.PngInfo()
    add = info.add_text if where.startswith("Raw") else info.add_itxt
    add(where, f"\nexif\n  {len(text) // 2}\n{text}\n" if where.startswith("Raw") else text, zip=packed)
    image = encoded(quarters().transpose(Image.Transpose.ROTATE_180), "PNG", pnginfo=info)
    assert_quarters(decode(image), 0)


def plain(values, width):
    rows = [values[start : start + width] for start in range(0, len(values), width)]
    return "\n".join(" ".join(map(str, row)) for row in rows).encode()


@pytest.mark.parametrize("most", [1, 7, 254, 255, 256, 4095, 65534, 65535])
@pytest.mark.parametrize("colors", [1, 3])
def test_pgm_and_ppm_of_any_range_are_read_as_pillow_reads_them(most, colors):
    values = [min(most, position * most // 23) for position in range(24)]
    width = 8 // colors if colors == 1 else 4
    height = 24 // (width * colors)
    size = f" {width} # a comment\n{height}\n{most}\n".encode()
    binary = b"".join(value.to_bytes(1 if most < 256 else 2, "big") for value in values)
    for data in (b"P%d" % (2 if colors == 1 else 3) + size + b"#x\n" + plain(values, 7),
                 b"P%d" % (5 if colors == 1 else 6) + size + binary):  # fmt: skip
        with Image.open(io.BytesIO(data)) as theirs:
            expected = np.asarray(theirs).astype(int)
        assert np.array_equal(np.asarray(decode_as_stored(data)).astype(int), expected)
        with pytest.raises(ImageError, match="damaged or incomplete"):
            decode(data[:-5])


@pytest.mark.parametrize("data", [b"P1\n3 2\n0 1 0\n1#c\n10", b"P4\n3 2\n" + bytes([0b01000000, 0b11000000])])
def test_pbm_is_read(data):
    assert np.asarray(decode(data))[..., 0].tolist() == [[255, 0, 255], [0, 0, 255]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pfm_is_read_from_the_bottom_up(order):
    data = b"Pf\n2 2\n" + (b"-1" if order == "<" else b"1") + b".0\n" + struct.pack(f"{order}4f", 0, 1, 0.5, 1)
    assert np.asarray(decode(data))[..., 0].tolist() == [[128, 255], [0, 255]]


def test_decoding_ends_after_its_time_limit(monkeypatch):
    clock = itertools.count(0, 40)
    monkeypatch.setattr(pieces.time, "monotonic", lambda: next(clock))
    with pytest.raises(ImageError, match="takes more than 60 seconds"):
        decode(encoded(noise(300, 300), "JPEG"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "PPM"])
def test_out_of_memory_for_the_pixels_is_not_damage(kind, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(decoding, "_loaded", lambda image, name: fail())
    with pytest.raises(ModelError, match="out of memory decoding 96x64 pixels"):
        decode(encoded(quarters(), kind))


def test_pillow_out_of_memory_is_not_damage(monkeypatch):
    def fail(self):
        raise MemoryError

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load_prepare", fail)
    with pytest.raises(ModelError, match="out of memory decoding 96x64 pixels"):
        decode(encoded(quarters(), "JPEG"))


@pytest.fixture
def warned(monkeypatch):
    monkeypatch.setattr(frames, "_warned", set())


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG"])
def test_further_pages_are_counted_and_warned_of_once(kind, warned, caplog, tmp_path):
    path = tmp_path / "a.pages"
    path.write_bytes(encoded(noise(20, 30), kind, save_all=True, append_images=[noise(20, 30, 1), noise(20, 30, 2)]))
    for _ in range(2):
        decode(path)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"{path}: has 3 {'pages' if kind == 'TIFF' else 'frames'}, only the first is read"]


def test_of_thousands_of_such_files_only_the_first_are_warned_of(warned, caplog):
    for number in range(9):
        frames.warn_of_frames("TIFF", 2, f"{number}.tif")
    assert len(caplog.records) == 3
    assert caplog.records[-1].getMessage().endswith("further files are not reported")


def test_pages_that_lead_back_to_the_first_are_counted_once(warned, caplog):
    decode(tiff(gray_tags(8, 8), bytes(64), following=8))
    assert not caplog.records


def test_many_segments_of_a_usual_size_are_read():
    data = encoded(quarters(), "JPEG")
    assert_quarters(decode(data[:2] + segment(0xEC, bytes(300)) * 2_100 + data[2:]), 12)
