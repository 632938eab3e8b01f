import numpy as np
import pytest
from PIL import Image, ImageCms

from condetr.core.errors import ImageError
from condetr.images.decoding import modes
from condetr.images.decoding.arrays import image_of_array
from condetr.images.decoding.decode import decode
from condetr.images.decoding.modes import rgb_of
from tests.unit.images.images import assert_quarters, encoded, quarters


def gray_of(levels):
    return np.asarray(rgb_of(Image.fromarray(levels), "a"))[..., 0].tolist()


def test_rgb_is_not_copied():
    assert rgb_of(image := quarters(), "a") is image


@pytest.mark.parametrize("mode", ["RGBA", "RGBX", "RGBa", "HSV", "YCbCr", "CMYK"])
def test_color_modes_keep_their_colors(mode):
    assert_quarters(rgb_of(quarters().convert(mode), "a"), 4)


def test_lab_is_converted():
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    assert_quarters(rgb_of(ImageCms.profileToProfile(quarters(), srgb, lab, outputMode="LAB"), "a"), 12)


def test_inverted_cmyk_of_adobe_jpeg_is_not_a_negative():
    assert_quarters(decode(encoded(quarters().convert("CMYK"), "JPEG", quality=95)), 6)


def test_a_broken_color_profile_does_no_harm():
    assert_quarters(decode(encoded(quarters(), "JPEG", icc_profile=b"broken", quality=95)), 12)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "I", "F", "I;16", "I;16B"])
def test_gray_modes_are_gray(mode):
    gray = quarters().convert("L")
    source = gray.convert("LA").convert("La") if mode == "La" else gray.convert(mode)
    pixels = np.asarray(rgb_of(source, "a"))
    assert np.ptp(pixels, axis=2).max() == 0
    if mode != "1":
        assert np.array_equal(pixels[..., 0], gray)


@pytest.mark.parametrize("mode", ["P", "PA"])
def test_palettes_are_looked_up(mode):
    image = quarters().quantize(8)
    assert_quarters(rgb_of(image.convert(mode), "a"), 2)


def test_transparent_pixels_are_white():
    image = quarters().convert("RGBA")
    image.putpixel((0, 0), (1, 2, 3, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    pixels = np.asarray(rgb_of(image, "a"))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1].tolist() == [127, 127, 127]
    assert pixels[0, 2].tolist() == [220, 30, 30]


def test_pil_images_and_arrays_mix_every_level_with_white_alike():
    levels, opacity = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    pixels = np.stack([levels, 255 - levels, levels // 2, opacity], axis=-1)
    mixed = np.asarray(rgb_of(Image.fromarray(pixels), "a"))
    assert np.array_equal(mixed, image_of_array(pixels).permute(1, 2, 0).numpy())


def test_a_transparent_palette_entry_is_white():
    image = quarters().quantize(8)
    data = encoded(image, "PNG", transparency=image.getpixel((0, 0)))
    pixels = np.asarray(decode(data))
    assert pixels[16, 24].tolist() == [255, 255, 255]
    assert pixels[48, 24].tolist() == [30, 30, 210]


def test_16_bits_are_scaled_not_clipped():
    assert gray_of(np.array([[0, 257, 500, 32896, 65535]], np.uint16)) == [[0, 1, 2, 128, 255]]
    assert gray_of(np.array([[0, 257, 500, 32896, 65535]], np.int32)) == [[0, 1, 2, 128, 255]]


def test_8_bit_levels_in_16_bits_are_unchanged():
    assert gray_of(np.array([[0, 1, 128, 255]], np.uint16)) == [[0, 1, 128, 255]]


def test_16_bit_files_are_scaled():
    ramp = Image.fromarray((np.arange(256, dtype=np.uint16) * 257)[None])
    for kind in ("PNG", "TIFF"):
        assert np.asarray(decode(encoded(ramp, kind)))[0, :, 0].tolist() == list(range(256))


def test_floats_are_of_0_to_1_or_0_to_255():
    assert gray_of(np.array([[0, 0.5, 1]], np.float32)) == [[0, 128, 255]]
    assert gray_of(np.array([[0, 128, 255]], np.float32)) == [[0, 128, 255]]


@pytest.mark.parametrize(
    ("levels", "says"),
    [
        (np.array([[-1, 5]], np.int32), "mode I image range from -1 to 5"),
        (np.array([[0, 65536]], np.int32), "mode I .* 0 to 65536"),
        (np.array([[0, 256]], np.float32), "mode F .* 0 to 256"),
        (np.array([[0, np.nan]], np.float32), "mode F .* nan"),
    ],
)
def test_levels_out_of_range_are_refused_with_the_mode(levels, says):
    with pytest.raises(ImageError, match=says):
        rgb_of(Image.fromarray(levels), "a")


def wide(highest):
    return np.linspace(0, highest, 4096 * 3).astype(np.uint16).reshape(64, 192)


@pytest.fixture
def unwarned(monkeypatch):
    monkeypatch.setattr(modes, "_warned", set())


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("highest", "white", "says"),
    [(255, 255, ""), (256, 4095, "12-bit"), (4095, 4095, "12-bit"), (4096, 65535, ""), (65535, 65535, "")],
)
def test_levels_of_8_12_and_16_bits_are_distinguished_by_their_range(kind, highest, white, says, unwarned, caplog):
    for _ in range(2):
        found = np.asarray(decode(encoded(Image.fromarray(wide(highest)), kind)))
    assert np.abs(found[..., 0] - wide(highest) * (255 / white)).max() <= 0.502  # 257 does not divide all of them
    assert (found == found[..., :1]).all()
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == bool(says)
    assert all("16-bit levels up to" in message and says in message for message in messages)


def test_dark_16_bit_colors_are_warned_of(unwarned, caplog):
    for dark, bits in ((15, 16), (16, 16), (15, 8), (0, 16)):
        modes.rgb_of(Image.new("RGB", (3, 2), (dark, 0, 0)), "a.png", bits=bits)
    (message,) = (record.getMessage() for record in caplog.records)
    assert message.startswith("a.png: 16-bit levels below 4096 of 65536, nearly black")
