import pickle
import zipfile

import pytest
from PIL import Image

from condetr.core.errors import ImageError
from condetr.prediction.sources import images_in
from condetr.ray.sources import portable


def arrived(source):
    return pickle.loads(pickle.dumps(portable(source)))


@pytest.fixture
def image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 6), "red").save("a.png")
    return "a.png"


def test_a_file_is_found_from_another_folder_and_keeps_its_name(image, tmp_path, monkeypatch):
    (source,) = images_in(image)
    here = arrived(source)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert here.image().size == (8, 6)
    assert (here.name, here.identity) == ("a.png", str(tmp_path / "elsewhere/a.png"))


def test_members_of_archives_travel_as_bytes(image):
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.write(image)
    (source,) = images_in("a.zip")
    assert arrived(source).image().getpixel((0, 0)) == (255, 0, 0)
    assert arrived(source).name == source.name == "a.zip/a.png"


@pytest.mark.parametrize("name", ["a.tif", "a.gif"])
def test_pages_are_read_where_they_are_decoded(image, tmp_path, monkeypatch, name):
    pages = [Image.new("RGB", (8, 6), color) for color in ("white", "black")]
    pages[0].save(name, save_all=True, append_images=pages[1:])
    sources = [arrived(source) for source in images_in(name)]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [source.name for source in sources] == [f"{name}#page=1", f"{name}#page=2"]
    assert [source.image().getpixel((0, 0)) for source in sources] == [(255, 255, 255), (0, 0, 0)]
    assert not any(isinstance(source.content, bytes) for source in sources)


def test_an_address_is_fetched_where_it_is_decoded(image, tmp_path):
    pytest.importorskip("fsspec")
    (source,) = images_in(f"file://{tmp_path}/{image}")
    assert portable(source) is source
    assert arrived(source).image().size == (8, 6)


def test_unless_it_is_in_the_memory_of_this_process(image, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe("/condetr-test/a.png", (tmp_path / image).read_bytes())
    (source,) = images_in("memory://condetr-test/a.png")
    assert isinstance(portable(source).content, bytes)


def test_an_error_stays_in_the_place_of_its_image(image, tmp_path):
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.write(image)
    (source,) = images_in("a.zip")
    content = (tmp_path / "a.zip").read_bytes().replace(b"IHDR", b"XXXX")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.zip/a\.png: cannot be read: the archive is damaged"):
        arrived(source).image()
    (missing,) = images_in("missing.png")
    assert str(arrived(missing).content) == str(missing.content)
