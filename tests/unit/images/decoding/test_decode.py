import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from condetr.core.errors import ImageError
from condetr.images.decoding.decode import decode, decode_as_stored
from condetr.images.decoding.orientation import upright
from condetr.images.decoding.truncation import strict_truncation
from tests.unit.images.images import assert_quarters, encoded, noise, quarters

LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}, "BMP": {}, "PPM": {}}
STORED_AS = {  # how a camera that says this orientation stores an upright scene
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(orientation, kind, **options):
    exif, turn = Image.Exif(), STORED_AS[orientation]
    exif[0x0112] = orientation
    image = quarters() if turn is None else quarters().transpose(turn)
    return encoded(image, kind, exif=exif.tobytes(), **options)


@pytest.fixture
def lenient_pillow(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_give_their_pixels(kind):
    data = encoded(noise(20, 30), kind, **LOSSLESS[kind])
    assert np.array_equal(decode(data), noise(20, 30))


@pytest.mark.parametrize("kind", ["JPEG", "GIF"])
def test_other_formats_come_close(kind):
    assert_quarters(decode(encoded(quarters(), kind)), 12)


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_images_are_turned_upright(kind, orientation):
    assert_quarters(decode(stored(orientation, kind)), 12)


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_turned_image_is_not_turned_again(kind, orientation):
    assert_quarters(decode(decode(stored(orientation, kind))), 12)


def test_a_pil_image_is_turned_too(tmp_path):
    (tmp_path / "a.jpg").write_bytes(stored(6, "JPEG"))
    with Image.open(tmp_path / "a.jpg") as lazy:
        assert_quarters(decode(lazy), 12)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_without_a_meaning_is_ignored(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_quarters(decode(encoded(quarters(), "PNG", exif=exif.tobytes())), 0)


def test_garbage_in_exif_is_ignored():
    image = quarters()
    image.info["exif"] = b"Exif\0\0garbage"
    assert upright(image) is image


def test_the_content_decides_not_the_name(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(quarters(), "PNG"))
    assert_quarters(decode(tmp_path / "a.jpg"), 0)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_the_first_of_many_frames_is_taken(kind):
    red, blue = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (20, 10), "blue")
    red_first = decode(encoded(red, kind, save_all=True, append_images=[blue]))
    assert np.abs(np.asarray(red_first).astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_truncated_files_are_refused(kind):
    data = encoded(noise(64, 96), kind)
    with pytest.raises(ImageError, match="damaged or incomplete"):
        decode(data[: len(data) * 6 // 10])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM"])
def test_truncated_files_are_refused_even_where_pillow_is_set_to_fill_them(kind, lenient_pillow):
    test_truncated_files_are_refused(kind)
    assert ImageFile.LOAD_TRUNCATED_IMAGES  # as it was


def test_a_wrong_checksum_is_found():
    data = bytearray(encoded(noise(64, 96), "PNG"))
    data[data.index(b"IEND") - 8] ^= 1  # the last byte of the checksum of the pixels
    with pytest.raises(ImageError, match="checksum"):
        decode(bytes(data))


def blank_png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_001, 13_000, 20_000])
def test_a_decompression_bomb_is_refused_from_its_header_without_a_warning(side, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12_345)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=f"{side}x{side} .* over the limit"):
            decode(blank_png(side, side))
    assert Image.MAX_IMAGE_PIXELS == 12_345  # as it was


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_pillows_own_pixel_limit_is_not_used(kind, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it checks Pillow's limit"))
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    assert_quarters(decode(encoded(quarters(), kind, **options)), 12)


def test_pillows_setting_comes_back_after_the_last_of_several_decodings(lenient_pillow):
    with strict_truncation():
        with strict_truncation():
            assert not ImageFile.LOAD_TRUNCATED_IMAGES
        assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_the_pixel_limit_is_the_callers():
    with pytest.raises(ImageError, match="over the limit of 6143 pixels"):
        decode(quarters(), pixel_limit=6143)
    assert decode(quarters(), pixel_limit=6144).size == (96, 64)
    huge = encoded(Image.new("1", (13_000, 8_000)), "PNG")
    assert decode(huge, pixel_limit=None).size == (13_000, 8_000)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
        (b"\0\0\0\x18ftypavif" + bytes(100), "AVIF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported format: EPS"),
        (b"%PDF-1.7", "PDF"),
        (b'<?xml version="1.0"?><svg/>', "unsupported format: SVG"),
        (b"<!DOCTYPE html><html>404", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"\x80\x04\x95garbage", "cannot be identified"),
    ],
)
def test_unsupported_formats_are_named(data, says):
    with pytest.raises(ImageError, match=says) as caught:
        decode(data)
    assert "JPEG, PNG" in caught.value.hint


@pytest.mark.parametrize("kind", ["EPS", "ICO", "PCX", "AVIF", "PDF"])
def test_unsupported_formats_are_never_opened_though_pillow_could(kind):
    with pytest.raises(ImageError, match=r"unsupported format|cannot be identified"):
        decode(encoded(quarters(), kind))


def test_as_stored_keeps_mode_and_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode_as_stored(encoded(quarters().convert("L"), "PNG", exif=exif.tobytes()))
    assert image.mode == "L"
    assert image.size == (96, 64)


def test_a_pil_image_that_cannot_be_loaded_is_named(tmp_path):
    data = encoded(noise(64, 96), "JPEG")
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    with Image.open(tmp_path / "cut.jpg") as lazy, pytest.raises(ImageError, match=r"cut\.jpg.*truncated"):
        decode(lazy)
