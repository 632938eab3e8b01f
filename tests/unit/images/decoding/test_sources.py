import io
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from condetr.core.errors import ImageError
from condetr.images.decoding import sources
from condetr.images.decoding.decode import decode
from condetr.images.decoding.sources import content_of, name_of, open_source
from condetr.images.image_inputs import image_of, images_of
from tests.unit.images.images import encoded, quarters


def refused(source):
    with pytest.raises(ImageError) as caught:
        open_source(source)
    assert str(source) in str(caught.value)
    return caught.value.reason


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "named pipe" in refused(tmp_path / "pipe.jpg")


def test_a_file_that_becomes_a_pipe_before_it_is_opened_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "file.jpg").touch()
    regular = (tmp_path / "file.jpg").stat()
    monkeypatch.setattr(os, "stat", lambda path: regular)
    assert "named pipe" in refused(tmp_path / "pipe.jpg")


def test_a_symlink_loop_is_refused(tmp_path):
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert "symbolic links" in refused(tmp_path / "loop.jpg")


def test_folders_devices_and_missing_files_are_refused(tmp_path):
    assert "folder" in refused(tmp_path)
    assert "device" in refused(Path("/dev/zero"))
    assert "No such file" in refused(tmp_path / "missing.jpg")
    assert "URL" in refused("http://example.org/a.jpg")


def test_an_invalid_file_name_is_refused():
    with pytest.raises(ImageError, match="null"):
        open_source("a\0.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_refused(tmp_path):
    (tmp_path / "secret.jpg").touch(mode=0)
    assert "Permission denied" in refused(tmp_path / "secret.jpg")


def test_every_source_has_a_name():
    assert name_of(Path("a/b.jpg")) == "a/b.jpg"
    assert name_of(b"abc") == "3 bytes in memory"
    assert name_of(quarters()) == "RGB image in memory"


DATA = encoded(quarters(), "PNG")


def read_to_the_end():
    stream = io.BytesIO(DATA)
    stream.read()
    return stream


def temporary_file():
    stream = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed by the collector, as in the code of callers
    stream.write(DATA)
    return stream


def member_of_an_archive():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writing:
        writing.writestr("a.png", DATA)
    return zipfile.ZipFile(archive).open("a.png")


@pytest.mark.parametrize("stream", [read_to_the_end, temporary_file, member_of_an_archive])
@pytest.mark.parametrize("read", [decode, image_of, lambda stream: images_of([stream])[0]])
def test_binary_streams_are_read_from_their_beginning(stream, read):
    with stream() as original:
        assert np.array_equal(read(original), quarters())


def test_an_open_file_is_named_by_its_path(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with (
        (tmp_path / "a.png").open("rb") as stream,
        pytest.raises(ImageError, match=r"a\.png: its format cannot be identified"),
    ):
        decode(stream)
    with pytest.raises(ImageError, match=r"a\.png: cannot be read: .*closed"):
        decode(stream)


def test_text_streams_and_endless_streams_are_refused(monkeypatch):
    with pytest.raises(ImageError, match=r"stream of str, expected bytes .*mode 'rb'"):
        decode(io.StringIO("text"))
    monkeypatch.setattr(sources, "MOST_BYTES", 1000)
    with Path("/dev/zero").open("rb") as endless, pytest.raises(ImageError, match="more than 1000 bytes"):
        content_of(endless)


def test_an_image_as_text_is_not_repeated_in_the_message():
    with pytest.raises(ImageError, match=r"\(1000000 characters\): cannot be read: .*pass the bytes") as caught:
        decode("a" * 10**6)
    assert len(str(caught.value)) < 300
