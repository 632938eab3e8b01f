import io
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from condetr.core.errors import ImageError
from condetr.data.records import Example
from condetr.images.decoding import pages
from condetr.images.decoding.decode import MAPPED_FROM, decode
from condetr.images.decoding.mapped import MappedImage
from condetr.prediction.input.labeled_images import labeled_images
from condetr.prediction.input.listing import Listing
from condetr.prediction.sources import images_in, is_one
from tests.unit.images.images import noise

COLORS = [(200, 10, 10), (10, 200, 10), (10, 10, 200)]
SIZES = [(30, 20), (20, 30), (40, 10)]


def tiff_of(path, images, **options):
    first, *rest = images
    first.save(path, "TIFF", save_all=True, append_images=rest, **options)
    return path


def plain(kind):
    return [
        Image.new(kind, size, color if kind == "RGB" else color[0]) for size, color in zip(SIZES, COLORS, strict=True)
    ]


def colors(found):
    return [source.image().getpixel((5, 5)) for source in found]


def error_of(source):
    with pytest.raises(ImageError) as caught:
        source.image()
    return str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "tiff_lzw"},
        {"compression": "tiff_adobe_deflate"},
        {"big_tiff": True},
        {"compression": "group4"},
    ],
)
def test_every_page_of_a_tiff_is_an_image_with_a_stable_name(tmp_path, options):
    images = [noise(*size) for size in SIZES]
    if options.get("compression") == "group4":
        images = [image.convert("1") for image in images]
    path = tiff_of(tmp_path / "a.tif", images, **options)
    found = list(images_in(tmp_path))
    assert [source.name for source in found] == [f"{path}#page={number}" for number in (1, 2, 3)]
    assert [source.relative_path for source in found] == [
        PurePath(f"a.tif/page-000{number}.png") for number in (1, 2, 3)
    ]
    for source, image in zip(found, images, strict=True):
        assert np.array_equal(source.image(), image.convert("RGB"))
    assert not is_one(path)
    assert [source.name for source in images_in(path, pages=False)] == [str(path)]
    assert len(Listing([f"{tmp_path}/*.tif"]).first) == 3


def test_pages_are_no_pages_of_pages(tmp_path):
    tiff_of(tmp_path / "a.tif", plain("RGB"))
    first = list(images_in(tmp_path / "a.tif", pages=False))
    assert list(images_in(first)) == first


def test_files_of_one_page_keep_their_name(tmp_path):
    for name in ("a.tif", "a.gif", "b.png", "c.tiff"):
        Image.new("RGB", (8, 6)).save(tmp_path / name)
    (tmp_path / "d.gif").write_bytes(b"GIF89a no")
    (tmp_path / "e.tif").write_bytes((tmp_path / "b.png").read_bytes())
    assert [source.relative_path.name for source in images_in(tmp_path)] == [
        "a.gif",
        "a.tif",
        "b.png",
        "c.tiff",
        "d.gif",
        "e.tif",
    ]
    assert is_one(tmp_path / "a.tif")


def test_smaller_versions_of_a_page_and_masks_are_no_pages(tmp_path):
    """As in pyramids and cloud-optimized GeoTIFFs; but after a thumbnail the large image is one."""

    def file(name, kinds):
        with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / name), True) as writer:
            for kind, image in zip(kinds, plain("RGB"), strict=False):
                info = TiffImagePlugin.ImageFileDirectory_v2()
                info[254] = kind
                image.save(writer, "TIFF", tiffinfo=info)
                writer.newFrame()
        return tmp_path / name

    pyramid = file("a.tif", [0, 1, 4])
    assert [source.name for source in images_in(pyramid)] == [str(pyramid)]
    thumbnail = file("b.tif", [1, 0])
    (source,) = images_in(thumbnail)
    assert source.name == f"{thumbnail}#page=2"
    assert source.image().size == SIZES[1]


def animation(path, count=6, size=(40, 30), **options):
    """A square that moves over a ground; most frames store only what changed."""
    frames = []
    for number in range(count):
        frame = Image.new("RGB", size, (30, 40, 50))
        frame.paste((220, 30 * number, 10), (5 * number, 4, 5 * number + 8, 12))
        frames.append(frame)
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:], **options)
    return frames


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_frames_of_a_gif_are_those_that_a_viewer_shows(tmp_path, disposal):
    path = tmp_path / "a.gif"
    animation(path, disposal=disposal, comment=b"c" * 5000, loop=0)
    found = list(images_in(path))
    assert [source.name for source in found] == [f"{path}#page={number}" for number in range(1, 7)]
    expected = []
    with Image.open(path) as theirs:
        for number in range(6):
            theirs.seek(number)
            rgba = theirs.convert("RGBA")
            expected.append(
                np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
            )
    for number in (4, 2, 5, 0, 1, 3, 5):
        assert np.array_equal(found[number].image(), expected[number]), number
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda source: np.asarray(source.image()), found * 10))
    assert all(np.array_equal(image, expected[number % 6]) for number, image in enumerate(images))


def test_frames_are_decoded_once_when_threads_ask_nearly_in_order(tmp_path, monkeypatch):
    animation(tmp_path / "a.gif", count=20, size=(120, 30))
    opened, real = [], pages._Animation._open
    monkeypatch.setattr(pages._Animation, "_open", lambda self: (opened.append(1), real(self)))
    found = list(images_in(tmp_path / "a.gif"))
    order = [1, 0, 3, 2, 4, 7, 6, 5, *range(8, 20), 19, 15]
    assert [found[number].image().getpixel((0, 0)) for number in order] == [(30, 40, 50)] * len(order)
    assert len(opened) == 1


def test_a_changed_animation_is_read_anew(tmp_path):
    animation(tmp_path / "a.gif", count=5)
    *_, last = images_in(tmp_path / "a.gif")
    last.image()
    animation(tmp_path / "a.gif", count=3, size=(60, 50))
    assert [source.image().size for source in images_in(tmp_path / "a.gif")] == [(60, 50)] * 3
    assert "has no such page any more" in error_of(last)
    tiff_of(tmp_path / "a.tif", plain("RGB"))
    *_, last = images_in(tmp_path / "a.tif")
    Image.new("RGB", (8, 6)).save(tmp_path / "a.tif")
    assert "a.tif#page=3: has no such page any more" in error_of(last)


def test_the_number_of_pages_is_bounded_and_the_rest_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "MOST_PAGES", 2)
    animation(tmp_path / "a.gif")
    tiff_of(tmp_path / "b.tif", plain("RGB"))
    for path in (tmp_path / "a.gif", tmp_path / "b.tif"):
        *found, rest = images_in(path)
        assert [source.name for source in found] == [f"{path}#page=1", f"{path}#page=2"]
        assert all(source.image() for source in found)
        assert f"{path}: has more than 2 pages; those from page 3 on are not read" in error_of(rest)


def test_what_is_behind_damage_is_one_error(tmp_path):
    animation(tmp_path / "a.gif")
    (tmp_path / "a.gif").write_bytes((tmp_path / "a.gif").read_bytes()[:-30])
    *found, rest = images_in(tmp_path / "a.gif")
    assert len(found) == 5
    assert all(source.image().size == (40, 30) for source in found)
    assert "nothing can be read behind page 5" in error_of(rest)
    content = bytearray(tiff_of(tmp_path / "b.tif", plain("RGB")).read_bytes())
    (first,) = struct.unpack("<L", content[4:8])
    (count,) = struct.unpack("<H", content[first : first + 2])
    second = struct.unpack_from("<L", content, first + 2 + 12 * count)[0]
    (count,) = struct.unpack_from("<H", content, second)
    struct.pack_into("<L", content, second + 2 + 12 * count, 2**31)
    (tmp_path / "b.tif").write_bytes(content)
    *found, rest = images_in(tmp_path / "b.tif")
    assert colors(found) == COLORS[:2]
    assert "nothing can be read behind page 2" in error_of(rest)


def test_a_page_that_is_crafted_fails_alone(tmp_path, monkeypatch):
    content = bytearray(tiff_of(tmp_path / "b.tif", plain("RGB")).read_bytes())
    (first,) = struct.unpack("<L", content[4:8])
    (count,) = struct.unpack("<H", content[first : first + 2])
    second = struct.unpack_from("<L", content, first + 2 + 12 * count)[0]
    at = content.index(struct.pack("<HHLL", 257, 4, 1, SIZES[1][1]), second)
    struct.pack_into("<L", content, at + 8, 2**31 - 1)
    (tmp_path / "b.tif").write_bytes(content)
    first, crafted, last = images_in(tmp_path / "b.tif")
    assert colors([first, last]) == [COLORS[0], COLORS[2]]
    assert "b.tif#page=2" in error_of(crafted)
    monkeypatch.setenv("CONDETR_PIXEL_LIMIT", "500")
    animation(tmp_path / "a.gif")
    assert "a.gif#page=1: 40x30 is 1200 pixels, over the limit" in error_of(next(images_in(tmp_path / "a.gif")))


def test_a_frame_that_grows_the_canvas_counts_against_the_limit(tmp_path, monkeypatch):
    stream = io.BytesIO()
    Image.new("P", (10, 10)).save(stream, "GIF")
    head, tail = stream.getvalue()[:-1], stream.getvalue()[-1:]
    start = head.index(b",")
    image = bytearray(head[start:])
    struct.pack_into("<4H", image, 1, 60_000, 60_000, 10, 10)
    (tmp_path / "a.gif").write_bytes(head + image + tail)
    assert "over the limit" in error_of(next(images_in(tmp_path / "a.gif")))


def test_a_large_page_may_be_mapped(tmp_path, monkeypatch):
    assert MAPPED_FROM > 10**6
    monkeypatch.setattr("condetr.images.decoding.decode.MAPPED_FROM", 100)
    tiff_of(tmp_path / "a.tif", plain("RGB"))
    for source, color in zip(images_in(tmp_path / "a.tif"), COLORS, strict=True):
        image = source.image(may_be_mapped=True)
        assert isinstance(image, MappedImage)
        assert image.crop((5, 5, 6, 6)).getpixel((0, 0)) == color


def test_memory_that_is_not_there_is_not_damage(tmp_path, monkeypatch):
    animation(tmp_path / "a.gif")
    (first, *_) = images_in(tmp_path / "a.gif")

    def load(_):
        raise MemoryError

    monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.load", load)
    with pytest.raises(MemoryError):
        decode(first.content)


def test_of_a_labeled_file_the_first_page_counts(tmp_path):
    path = tiff_of(tmp_path / "a.tif", plain("RGB"))
    (source,) = images_in(labeled_images([Example(path, (20, 30), 1)]))
    assert source.name == str(path)
    assert source.image().getpixel((5, 5)) == COLORS[0]
