import sys
from pathlib import PurePath

import pytest
from PIL import Image

from condetr.core.errors import ImageError, MissingExtraError, UsageError
from condetr.prediction.input.listing import Listing
from condetr.prediction.sources import images_in, is_one

POINTS = 72  # of an inch


@pytest.fixture
def document(tmp_path):
    """Three pages of one inch by two, of one color each; Pillow writes them."""
    pages = [Image.new("RGB", (POINTS, 2 * POINTS), color) for color in ("red", "lime", "blue")]
    pages[0].save(tmp_path / "a.pdf", save_all=True, append_images=pages[1:], resolution=POINTS)
    return tmp_path / "a.pdf"


def test_every_page_is_an_image_with_a_stable_name(document):
    pytest.importorskip("pypdfium2")
    found = list(images_in(document))
    assert [page.name for page in found] == [f"{document}#page={number}" for number in (1, 2, 3)]
    assert found[2].relative_path == PurePath("a.pdf/page-0003.png")
    images = [page.image() for page in reversed(found)]
    assert [image.size for image in images] == [(200, 400)] * 3
    for image, color in zip(images, [(0, 0, 255), (0, 255, 0), (255, 0, 0)], strict=True):
        assert max(abs(ours - theirs) for ours, theirs in zip(image.getpixel((100, 200)), color, strict=True)) < 8
    assert not is_one(document)
    assert len(list(images_in(f"{document.parent}/*.pdf"))) == 3


def test_a_page_of_too_many_pixels_is_refused_before_it_is_drawn(document, monkeypatch):
    pytest.importorskip("pypdfium2")
    monkeypatch.setenv("CONDETR_PIXEL_LIMIT", "1000")
    first, *_ = images_in(document)
    with pytest.raises(ImageError, match=r"a\.pdf#page=1: 200x400 is 80000 pixels, over the limit"):
        first.image()


def test_a_damaged_document_is_refused(tmp_path):
    pytest.importorskip("pypdfium2")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 nothing")
    with pytest.raises(UsageError, match=r"a\.pdf: cannot be read as a PDF document"):
        Listing([str(tmp_path / "a.pdf")])


def test_without_the_library_the_extra_is_named(document, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(MissingExtraError, match=r"a PDF document needs pypdfium2.*condetr\[pdf\]"):
        Listing([str(document)])
