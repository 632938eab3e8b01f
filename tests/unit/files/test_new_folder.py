import errno
import os
from pathlib import Path

import pytest

from condetr.cli.interruption import Stopped
from condetr.core.errors import StorageError, UsageError
from condetr.data.convert import convert
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.discovery.formats import read_dataset
from condetr.files.new_folder import OutputFolder, new_folder, next_free, whole_folder

FORMATS = ("coco", "yolo", "voc")


def failing(monkeypatch, after: int, error: BaseException):
    """The copy of one image goes wrong."""
    calls = []
    copy = OutputFolder.copy

    def fail(self, source, name):
        calls.append(name)
        if len(calls) > after:
            raise error
        copy(self, source, name)

    monkeypatch.setattr(OutputFolder, "copy", fail)


@pytest.mark.parametrize("error", [Stopped(2), KeyboardInterrupt(), StorageError("is full"), MemoryError()])
@pytest.mark.parametrize("to", FORMATS)
def test_what_stops_halfway_leaves_nothing(coco, tmp_path, monkeypatch, to, error):
    original = read_dataset(coco())
    failing(monkeypatch, 1, error)
    with pytest.raises(type(error)):
        convert({"train": original}, tmp_path / "new/deep/out", to)
    assert [path.name for path in tmp_path.iterdir()] == ["coco"]
    (tmp_path / "there").mkdir()
    with pytest.raises(type(error)):
        convert({"train": original}, tmp_path / "there", to)
    assert list((tmp_path / "there").iterdir()) == [], "a folder that was there stays, and is empty again"


@pytest.mark.parametrize("last", [1, 2])
def test_what_stops_while_it_is_moved_leaves_nothing(tmp_path, monkeypatch, last):
    """A Ctrl-C between the last renames."""
    renames, rename = [], Path.rename

    def stop(self, target):
        renames.append(target)
        if len(renames) == last:
            raise KeyboardInterrupt
        return rename(self, target)

    def write():
        with whole_folder(tmp_path / "out") as output:
            output.write("a.txt", "a")
            output.write("b/b.txt", "b")

    monkeypatch.setattr(Path, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", FORMATS)
def test_what_is_killed_halfway_does_not_look_finished(coco, tmp_path, monkeypatch, to):
    """Nothing cleans up after a killed process."""
    original = read_dataset(coco())
    failing(monkeypatch, 2, SystemExit())
    monkeypatch.setattr("condetr.files.new_folder.shutil.rmtree", lambda *_, **__: None)
    with pytest.raises(SystemExit):
        convert({"train": original}, tmp_path / "out", to)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".unfinished"]
    monkeypatch.undo()
    with pytest.raises(UsageError, match="not an empty folder") as raised:
        convert({"train": original}, tmp_path / "out", to)
    assert "left by a killed process" in raised.value.hint


def test_a_full_disk_is_an_error_of_storage(coco, tmp_path, monkeypatch):
    original = read_dataset(coco())

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("condetr.files.new_folder.shutil.copyfileobj", full)
    with pytest.raises(StorageError, match="No space left") as raised:
        convert({"train": original}, tmp_path / "out", "coco")
    assert str(raised.value.source) == str(tmp_path / "out/train/a.jpg"), "where it would have been"
    assert not (tmp_path / "out").exists()


def test_an_image_that_is_gone_is_not_called_unwritable(coco, tmp_path):
    original = read_dataset(coco())
    original[1].path.unlink()
    with pytest.raises(StorageError, match="cannot be read: No such file") as raised:
        convert({"train": original}, tmp_path / "out", "voc")
    assert raised.value.source == str(original[1].path)


@pytest.mark.parametrize("position", ["file", "file/below", "link"])
def test_places_that_are_no_new_folder(tmp_path, position):
    (tmp_path / "file").write_text("keep")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises((UsageError, StorageError)), whole_folder(tmp_path / position):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]
    assert (tmp_path / "file").read_text() == "keep"


def test_a_link_to_an_empty_folder_is_a_new_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_folder(tmp_path / "link") as output:
        output.write("a/b.txt", "text")
    assert (tmp_path / "real/a/b.txt").read_text() == "text"
    assert (tmp_path / "link").is_symlink()


def test_scenes_that_stop_halfway(tmp_path):
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 3:
            raise Stopped(15)

    with pytest.raises(Stopped):
        write_scenes(tmp_path / "demo", train=4, val=2, side=48, step=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_next_free_folder(tmp_path):
    base = tmp_path / "runs/predict"
    assert next_free(base) == base
    base.mkdir(parents=True)
    (tmp_path / "runs/predict-2").mkdir()
    assert next_free(base) == tmp_path / "runs/predict-3"


def test_a_new_folder_is_removed_unless_something_was_written(tmp_path):
    folder = tmp_path / "runs/new"
    with new_folder(folder):
        assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
    with new_folder(folder):
        (folder / "report.json").touch()
    with (
        pytest.raises(UsageError, match=r"exists and is not an empty folder \(give another --output\)"),
        new_folder(folder),
    ):
        pass
    with new_folder(folder, may_be_used=True):
        pass
    assert [path.name for path in folder.iterdir()] == ["report.json"]


@pytest.mark.parametrize("name", ["file/out", "nul\0", "a" * 300])
def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"), new_folder(tmp_path / name):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
