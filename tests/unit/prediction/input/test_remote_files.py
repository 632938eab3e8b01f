import io
import itertools
from pathlib import PurePath

import fsspec
import pytest
from PIL import Image

from condetr.core.errors import DataError, MissingExtraError, UsageError
from condetr.prediction.input import remote_files
from condetr.prediction.input.listing import Listing
from condetr.prediction.input.remote_files import is_address
from condetr.prediction.sources import identity_of, images_in, is_one

_numbers = itertools.count()


@pytest.fixture
def bucket():
    """Its address in memory, which all tests of a process share."""
    address = f"memory://bucket-{next(_numbers)}"
    system = fsspec.filesystem("memory")
    for number, name in enumerate(("a.png", "b.JPG", "sub/c.png", "sub/notes.txt", ".hidden/d.png", "sub/.e.png")):
        stream = io.BytesIO()
        Image.new("RGB", (8, 6), (number, 0, 0)).save(stream, "PNG")
        system.pipe(f"{address}/{name}".removeprefix("memory://"), stream.getvalue())
    return address


def names(source):
    return [image.name for image in images_in(source)]


def test_a_folder_in_storage_is_searched_like_one_on_disk(bucket):
    found = list(images_in(f"{bucket}/"))
    root = bucket.replace("memory://", "memory:///")
    assert [image.name for image in found] == [f"{root}/a.png", f"{root}/b.JPG", f"{root}/sub/c.png"]
    assert [image.relative_path for image in found] == [PurePath(name) for name in ("a.png", "b.JPG", "sub/c.png")]
    assert [image.image().getpixel((0, 0))[0] for image in found] == [0, 1, 2]
    assert [image.name for image in Listing([bucket])] == [image.name for image in found]
    assert names(found[0].name) == [found[0].name], "what came out may go in again"


def test_files_and_patterns(bucket):
    assert names(f"{bucket}/sub/c.png") == [f"{bucket}/sub/c.png"]
    assert is_one(f"{bucket}/sub/c.png")
    assert not is_one(bucket)
    assert {image.relative_path.name for image in images_in(f"{bucket}/**/*.png")} >= {"a.png", "c.png"}
    assert [str(image.relative_path) for image in images_in(f"{bucket}/*.png")] == ["a.png"]


def test_an_address_on_this_machine(tmp_path):
    Image.new("RGB", (8, 6), (5, 0, 0)).save(tmp_path / "a.png")
    (image,) = images_in(f"file://{tmp_path}")
    assert image.name == f"file://{tmp_path}/a.png"
    assert image.image().size == (8, 6)


def test_what_is_not_there_is_refused(bucket):
    with pytest.raises(UsageError, match=r"gone: does not exist"):
        Listing([f"{bucket}/gone"])
    with pytest.raises(UsageError, match="contains no images"):
        Listing([f"{bucket}/*.bmp"])


def test_a_file_that_cannot_be_fetched_fails_alone(bucket, monkeypatch):
    def refuse(self, path, **_):
        raise RuntimeError("403 Forbidden\nrequest 7")

    first, *_ = images_in(bucket)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", refuse)
    with pytest.raises(DataError, match=r"a\.png: cannot be read: 403 Forbidden$"):
        first.image()


def test_a_folder_that_cannot_be_listed_is_one_error(bucket, monkeypatch):
    kind = type(fsspec.filesystem("memory"))
    real = kind.ls

    def ls(self, path, **options):
        if path.endswith("sub"):
            raise PermissionError("no")
        return real(self, path, **options)

    monkeypatch.setattr(kind, "ls", ls)
    *_, last = images_in(bucket)
    assert isinstance(last.content, DataError)
    assert "sub: cannot be read: no" in str(last.content)


def test_files_that_are_too_large_are_not_fetched_whole(bucket, monkeypatch):
    monkeypatch.setattr(remote_files, "MOST_BYTES", 10)
    (image,) = images_in(f"{bucket}/a.png")
    assert len(image.content.read()) == 11


def test_a_storage_without_its_library(monkeypatch):
    def missing(*_):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(MissingExtraError, match=r"s3://bucket needs Install s3fs.*condetr\[remote\]") as caught:
        Listing(["s3://bucket"])
    assert caught.value.exit_status == 7


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("s3://a/b", True), ("memory://a", True), ("file:///a", True), ("gs://a", True),
        ("http://a/b.png", False), ("https://a", False), ("ftp://a", False), ("rtsp://camera", False), ("a/b", False),
    ],
)  # fmt: skip
def test_addresses(source, expected):
    assert is_address(source) is expected


def test_the_identity_of_an_address_does_not_depend_on_the_working_folder(tmp_path, monkeypatch):
    before = identity_of("s3://bucket/a.png")
    monkeypatch.chdir(tmp_path)
    assert identity_of("s3://bucket/a.png") == before
