import os
from pathlib import Path

import pytest

from condetr.core.errors import ImageError
from condetr.images.sources import name_of, open_source
from tests.unit.images.pictures import quarters


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


def test_a_name_that_no_file_system_takes_is_refused():
    with pytest.raises(ImageError, match="null"):
        open_source("a\0.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_refused(tmp_path):
    (tmp_path / "secret.jpg").touch(mode=0)
    assert "Permission denied" in refused(tmp_path / "secret.jpg")


def test_every_source_has_a_name():
    assert name_of(Path("a/b.jpg")) == "a/b.jpg"
    assert name_of(b"abc") == "3 bytes in memory"
    assert name_of(quarters()) == "RGB picture in memory"
