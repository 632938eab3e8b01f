import gzip
import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath

import pytest
from PIL import Image

from condetr.core.errors import CondetrError, DataError, ImageError, UsageError
from condetr.files import archive_members
from condetr.prediction.input import archives
from condetr.prediction.input.listing import Listing
from condetr.prediction.sources import images_in, is_one


def encoded(color, size=(8, 6)):
    stream = io.BytesIO()
    Image.new("RGB", size, color).save(stream, "PNG")
    return stream.getvalue()


GOOD = {"b/2.png": encoded((2, 0, 0)), "./a.PNG": encoded((1, 0, 0)), "b/3.png": encoded((3, 0, 0))}
ASIDE = {"b/2.json": b"{}", "b/.hidden.png": b"", "__MACOSX/._a.png": b"", "notes.txt": b"a"}


def tar_of(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def archive_of(path, members):
    if path.suffix == ".zip":
        return zip_of(path, members)
    return tar_of(
        path, members, {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".tbz2": "w:bz2", ".txz": "w:xz"}[path.suffix]
    )


def error_of(source):
    with pytest.raises(CondetrError) as caught:
        source.image()
    return caught.value


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.tgz", "x.tbz2", "x.txz", "x.zip"])
def test_images_of_an_archive_have_stable_names_and_are_read_in_any_order(tmp_path, name):
    path = archive_of(tmp_path / name, ASIDE | GOOD)
    found = list(images_in(path))
    assert [source.name for source in found] == [f"{path}/b/2.png", f"{path}/a.PNG", f"{path}/b/3.png"]
    assert [source.relative_path for source in found] == [
        PurePath(name, rest) for rest in ("b/2.png", "a.PNG", "b/3.png")
    ]
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda source: source.image(), reversed(found * 20)))
    assert [image.getpixel((0, 0))[0] for image in images] == [3, 1, 2] * 20
    assert not is_one(path)


def test_archives_that_a_pattern_matches_are_read(tmp_path):
    for number in range(3):
        tar_of(tmp_path / f"{number}.tar", {"0.jpg": encoded((number, 0, 0))})
    (tmp_path / "9.png").write_bytes(encoded((9, 0, 0)))
    found = list(images_in(f"{tmp_path}/*"))
    assert [source.image().getpixel((0, 0))[0] for source in found] == [0, 1, 2, 9]


HOSTILE = {"../up.png": b"", "/etc/x.png": b"", "a/../../b.png": b"", "C:\\x.png": b"", "n" * 5000 + ".png": b""}


@pytest.mark.parametrize("name", ["x.tar", "x.zip"])
def test_names_that_lead_outside_are_refused_and_stand_for_no_other_image(tmp_path, name):
    (tmp_path / "up.png").write_bytes(encoded((7, 0, 0)))
    path = archive_of(tmp_path / name, HOSTILE | GOOD)
    listing = Listing([str(path), str(tmp_path / "up.png")])
    found = list(listing)
    assert listing.repeated == 0
    errors = [error_of(source) for source in found[:5]]
    assert all(isinstance(error, DataError) for error in errors)
    assert [error.source for error in errors] == [f"{path}#{number}" for number in range(1, 6)]
    assert "../up.png: leads outside of the archive, which is not allowed" in str(errors[0])
    assert "has a name of 5004 characters" in str(errors[4])
    assert [source.image().getpixel((0, 0))[0] for source in found[5:]] == [2, 1, 3, 7]
    assert all(".." not in source.relative_path.parts for source in found)


def test_links_and_devices_are_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)):
            info = tarfile.TarInfo(f"{number}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    found = list(images_in(tmp_path / "x.tar"))
    assert len(found) == 4
    assert all("is a link or device, not a file" in str(error_of(source)) for source in found)


def test_an_encrypted_member_is_refused(tmp_path):
    content = bytearray(zip_of(tmp_path / "x.zip", {"a.png": GOOD["b/2.png"]}).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    (source,) = images_in(tmp_path / "x.zip")
    assert "is encrypted" in str(error_of(source))


def test_bombs_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 5000)
    for name in ("x.tar", "x.zip"):
        (source,) = images_in(archive_of(tmp_path / name, {"a.png": bytes(6000)}))
        assert "has 6000 bytes, more than 5000" in str(error_of(source))
    monkeypatch.setattr(archive_members, "_ALWAYS_FITS", 10_000)
    tar_of(tmp_path / "x.tar.gz", {"a.txt": bytes(30_000_000)}, "w:gz")
    (source,) = images_in(tmp_path / "x.tar.gz")
    assert "expands to more than" in str(error_of(source))
    content = bytearray(zip_of(tmp_path / "x.zip", {"a.png": bytes(4000)}).read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (4).to_bytes(4, "little")  # claims to be small
    (tmp_path / "x.zip").write_bytes(content)
    (source,) = images_in(tmp_path / "x.zip")
    assert isinstance(error_of(source), ImageError)


def test_the_rest_of_a_damaged_archive_is_one_error(tmp_path):
    path = tar_of(tmp_path / "x.tar", GOOD)
    content = path.read_bytes()
    path.write_bytes(content[:1100])  # inside of the second member's head
    first, rest = images_in(path)
    assert first.image().size == (8, 6)
    assert isinstance(rest.content, DataError)
    assert "is damaged behind member 1" in str(rest.content)
    path.write_bytes(content[:540])
    cut, _ = images_in(path)
    assert "x.tar/b/2.png: cannot be read: the archive is damaged: it ends too early" in str(error_of(cut))
    broken = gzip.compress(content)[:-30]
    (tmp_path / "x.tgz").write_bytes(broken)
    (source,) = images_in(tmp_path / "x.tgz")
    assert isinstance(source.content, UsageError)
    assert "cannot be read as an archive" in str(source.content)


def test_a_damaged_image_is_named(tmp_path):
    (source,) = images_in(tar_of(tmp_path / "x.tar", {"a.png": b"nothing"}))
    assert str(error_of(source)).startswith(f"{tmp_path}/x.tar/a.png: its format cannot be identified")


def test_an_archive_without_images(tmp_path):
    for name in ("x.tar", "x.zip"):
        (source,) = images_in(archive_of(tmp_path / name, ASIDE))
        assert "contains no images" in str(error_of(source))


def test_members_are_forgotten_once_they_are_listed(tmp_path, monkeypatch):
    longest, real = 0, tarfile.TarFile.next

    def following(tar):
        nonlocal longest
        longest = max(longest, len(tar.members))
        return real(tar)

    monkeypatch.setattr(tarfile.TarFile, "next", following)
    path = tar_of(tmp_path / "x.tar", {f"{number}.png": b"" for number in range(30)})
    assert sum(1 for _ in images_in(path)) == 30
    assert longest <= 1
