"""Large images are decoded into a file; every part of them equals that of the image in memory."""

import gc
import os
import sys
import tempfile

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import ImageError, StorageError
from condetr.images.decoding import decode as decoding
from condetr.images.decoding.decode import decode
from condetr.images.decoding.mapped import MappedImage
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges

SIZE = (311, 290)  # more than two bands high


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr(decoding, "MAPPED_FROM", 1000)


def pixels(mode):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (SIZE[1] // 8 + 1, SIZE[0] // 8 + 1, 4), dtype=np.uint8), "RGBA")
    return image.resize(SIZE, Image.Resampling.BICUBIC).convert("RGB").convert(mode)


def saved(path, mode, orientation=1, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels(mode).save(path, exif=exif, **options)
    return path


def assert_equal_in_parts(path):
    image, whole = decode(path, may_be_mapped=True), decode(path)
    assert isinstance(image, MappedImage)
    assert not isinstance(whole, MappedImage)
    assert (image.mode, image.size) == ("RGB", whole.size)
    for box in [
        (0, 0, 40, 50),
        (100, 120, 260, 280),
        (0, 0, *whole.size),
        (whole.width - 9, whole.height - 9, *whole.size),
    ]:
        assert image.crop(box).tobytes() == whole.crop(box).tobytes()
    prepare = Preprocessing(size=Edges(64, 100)).prepare
    assert torch.equal(prepare([image]).pixels, prepare([whole]).pixels)
    assert prepare([image]).original_sizes == prepare([whole]).original_sizes


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(tmp_path, orientation):
    assert_equal_in_parts(saved(tmp_path / "a.jpg", "RGB", orientation))


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.jpg", "L", {}),
        ("a.jpg", "CMYK", {}),
        ("a.jpg", "RGB", {"progressive": True}),
        ("a.png", "RGB", {}),
        ("a.png", "P", {}),
        ("a.png", "P", {"transparency": 3}),
        ("a.png", "RGBA", {}),
        ("a.png", "LA", {}),
        ("a.bmp", "RGB", {}),
        ("a.tif", "RGB", {}),
        ("a.tif", "RGB", {"compression": "tiff_lzw"}),
        ("a.tif", "L", {"compression": "jpeg"}),
        ("a.tif", "CMYK", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_every_kind_of_pixels(tmp_path, name, mode, options):
    path = tmp_path / name
    pixels(mode).save(path, **options)
    assert_equal_in_parts(path)


def test_a_turned_tiff(tmp_path):
    assert_equal_in_parts(saved(tmp_path / "a.tif", "L", 6, compression="tiff_lzw"))


def test_levels_that_are_judged_as_a_whole_stay_in_memory(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE[::-1])).save(path)
    assert not isinstance(decode(path, may_be_mapped=True), MappedImage)
    for name in ("a.webp", "a.ppm"):
        pixels("RGB").save(tmp_path / name)
        assert not isinstance(decode(tmp_path / name, may_be_mapped=True), MappedImage)


def test_small_images_stay_in_memory(tmp_path):
    Image.new("RGB", (20, 30)).save(tmp_path / "a.png")
    assert not isinstance(decode(tmp_path / "a.png", may_be_mapped=True), MappedImage)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_a_damaged_file_is_refused(tmp_path, name):
    path = saved(tmp_path / name, "RGB")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match="is damaged or incomplete"):
        decode(path, may_be_mapped=True)


def test_no_room_for_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = saved(tmp_path / "a.png", "RGB")
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(StorageError, match=r"cannot hold \d+ bytes of a large image: No space left.*TMPDIR"):
        decode(path, may_be_mapped=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mapped files are listed in /proc")
def test_nothing_is_left_behind(tmp_path, monkeypatch):
    def mapped():
        with open("/proc/self/maps") as file:  # noqa: PTH123  not a path
            return [line for line in file if str(tmp_path) in line]

    path = saved(tmp_path / "a.jpg", "RGB", 6)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    image = decode(path, may_be_mapped=True)
    assert len(mapped()) == 1, "the stored pixels are gone already"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jpg"]
    part = image.crop((0, 0, 5, 5))
    del image
    gc.collect()
    assert mapped() == []
    assert part.size == (5, 5)
