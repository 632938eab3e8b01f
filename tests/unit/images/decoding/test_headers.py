import struct
import zlib

import pytest

from condetr.core.errors import ImageError
from condetr.images.decoding.decode import decode
from condetr.images.decoding.headers import upright_size
from tests.unit.data.conftest import image, sideways


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("turned", [False, True])
def test_agrees_with_the_decoded_image(tmp_path, name, turned):
    path = image(tmp_path / name, (40, 24), **({"exif": sideways()} if turned else {}))
    width, height = decode(path).size
    assert upright_size(path) == (height, width) == ((40, 24) if turned else (24, 40))


def test_exif_behind_the_pixels_of_a_png_counts(tmp_path):
    path = image(tmp_path / "a.png", (40, 24))
    exif = sideways().tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
    content = path.read_bytes()
    path.write_bytes(content[:-12] + chunk + content[-12:])
    assert upright_size(path) == (40, 24)
    assert decode(path).size == (24, 40)


def test_files_that_are_not_images_are_refused(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"hello")
    with pytest.raises(ImageError):
        upright_size(path)
