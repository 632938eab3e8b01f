import json
import multiprocessing
import os
import pickle
import shutil
from pathlib import Path

import pytest

from condetr.core.errors import AnnotationError, CondetrError
from condetr.data.checked_data import Watcher, checked_data
from condetr.data.columns import cache as cache_module
from condetr.data.columns.cache import VARIABLE
from condetr.data.columns.examples import ExampleColumns
from condetr.data.train_val import train_val_of
from tests.fork_server import BOTH_WAYS
from tests.unit.data.columns.records import exact
from tests.unit.data.conftest import image
from tests.unit.data.layouts import LAYOUTS, coco, coco_panoptic, write, yolo

KEPT, READ, DAMAGED = "labels and checks are those kept", "is read and checked; later starts", "is damaged"
UNUSED = "nothing is kept for later starts"


@pytest.fixture
def top(tmp_path, monkeypatch):
    """The folder of all caches."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept"


class Notes:
    """Checked data, and what was noted about the cache."""

    def __init__(self, path, **options):
        self.texts, self.images = [], 0
        self.checked = checked_data(path, watcher=Watcher(self.texts.append, self._count), **options)

    def _count(self, _):
        def step():
            self.images += 1

        return step

    def has(self, text):
        return any(text in note for note in self.texts)


def content_of(checked):
    splits = {
        name: (exact(list(data)), data.classes, data.root, data.split, str(data.report), data.fingerprint())
        for name, data in checked.splits.items()
    }
    return list(splits), splits, checked.report.to_dict(), str(checked.report), str(checked.checks)


def files_in(top, pattern):
    return sorted(top.glob(f"*/[!.]*/{pattern}"))


@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_second_start_has_what_the_first_had(tmp_path, top, monkeypatch, layout, masks):
    path = layout(tmp_path / "set")
    monkeypatch.setenv(VARIABLE, "off")
    plain = Notes(path, masks=masks)
    monkeypatch.setenv(VARIABLE, str(top))
    first, second = Notes(path, masks=masks), Notes(path, masks=masks)
    assert plain.texts == []
    assert [first.has(READ), first.has(KEPT), second.has(READ), second.has(KEPT)] == [True, False, False, True]
    assert plain.images == first.images
    assert second.images == 0
    assert masks or first.images, "VOC has no masks"
    assert content_of(second.checked) == content_of(first.checked) == content_of(plain.checked)
    assert all(isinstance(data.examples, ExampleColumns) for data in second.checked.splits.values())


def grow(path, text=" "):
    with path.open("a") as file:
        file.write(text)


def touch(path):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


CHANGES = {
    "a longer label file": lambda root: grow(root / "annotations/instances_val2017.json"),
    "another time of a label file": lambda root: touch(root / "annotations/instances_train2017.json"),
    "a touched image": lambda root: touch(root / "train2017/t0.jpg"),
    "another image": lambda root: image(root / "train2017/t0.jpg", (40, 20), seed=99),
    "a new image": lambda root: image(root / "val2017/new.jpg", (40, 20)),
    "a new split": lambda root: shutil.copytree(root / "val2017", root / "test2017"),
    "a missing image": lambda root: (root / "train2017/t1.jpg").unlink(),
    "a renamed image": lambda root: (root / "train2017/t1.jpg").rename(root / "train2017/t2.jpg"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_the_files_is_noticed(tmp_path, top, change):
    root = coco(tmp_path / "set")
    Notes(root)
    (old,) = files_in(top, "manifest.json")
    CHANGES[change](root)
    again = Notes(root)
    assert (again.has(KEPT), again.has(READ)) == (False, True)
    (new,) = files_in(top, "manifest.json")
    assert not list(top.glob("*/.unfinished*"))
    assert new.parent != old.parent, "what was kept for the old state is removed"
    assert Notes(root).has(KEPT)


def test_a_label_of_a_folder_elsewhere_is_noticed(tmp_path, top):
    root = yolo(tmp_path / "set", {"path": str(tmp_path / "set")})
    path = (root / "data.yaml").rename(tmp_path / "elsewhere.yaml")
    Notes(path)
    assert Notes(path).has(KEPT)
    write(root / "labels/train/t0.txt", "1 0.5 0.5 0.25 0.5\n")
    changed = Notes(path)
    assert changed.has(READ)
    assert changed.checked.splits["train"][0].objects[0].label == 1


def test_labels_behind_a_link_are_noticed(tmp_path, top):
    root = coco(tmp_path / "set")
    (root / "annotations").rename(tmp_path / "elsewhere")
    (root / "annotations").symlink_to(tmp_path / "elsewhere")
    Notes(root)
    assert Notes(root).has(KEPT)
    touch(tmp_path / "elsewhere/instances_val2017.json")
    assert Notes(root).has(READ)


def test_a_described_dataset_and_its_parts_are_noticed(tmp_path, top):
    root = coco(tmp_path / "set")
    splits = {"train": {"annotations": str(root / "annotations/instances_train2017.json")}}
    splits["train"]["images"] = str(root / "train2017")
    path = write(tmp_path / "mine/data.json", json.dumps({"splits": splits}))
    Notes(path)
    assert Notes(path).has(KEPT)
    touch(root / "annotations/instances_train2017.json")
    assert Notes(path).has(READ)


def test_masks_and_boxes_are_kept_apart(tmp_path, top):
    root = coco_panoptic(tmp_path / "set")
    assert Notes(root).has(READ)
    assert Notes(root, masks=True, panoptic=True).has(READ)
    assert Notes(root).has(KEPT)
    assert Notes(root, masks=True, panoptic=True).has(KEPT)
    assert len(files_in(top, "manifest.json")) == 2


@pytest.mark.parametrize("name", ["FORMAT", "version", "_state_of_code"])
def test_another_version_reads_again(tmp_path, top, monkeypatch, name):
    root = coco(tmp_path / "set")
    Notes(root)
    monkeypatch.setattr(cache_module, name, 99 if name == "FORMAT" else lambda _: "99")
    assert Notes(root).has(READ)
    assert Notes(root).has(KEPT)
    assert len(files_in(top, "manifest.json")) == 1


def cut(path):
    path.write_bytes(path.read_bytes()[:-70])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [cut, flip, lambda path: path.write_bytes(b""), Path.unlink], ids=range(4))
@pytest.mark.parametrize("file", ["manifest.json", "0.columns", "1.columns"])
def test_a_damaged_cache_is_not_used_and_is_replaced(tmp_path, top, file, spoil):
    root = coco(tmp_path / "set")
    expected = content_of(Notes(root).checked)
    (path,) = files_in(top, file)
    spoil(path)
    again = Notes(root)
    assert (again.has(KEPT), again.has(READ)) == (False, True)
    assert again.has(DAMAGED) == (spoil is not Path.unlink)
    assert content_of(again.checked) == expected
    assert Notes(root).has(KEPT)
    assert not list(top.glob("*/.unfinished*"))


def test_a_damaged_fingerprint_is_computed_again(tmp_path, top):
    root = coco(tmp_path / "set")
    expected = Notes(root).checked.splits["train"].fingerprint()
    (path,) = [path for path in files_in(top, "0.*") if path.suffix != ".columns"]
    text = path.read_text()
    path.write_text(text.replace(text[0], "f" if text[0] != "f" else "0"))
    assert Notes(root).checked.splits["train"].fingerprint() == expected
    path.write_text(text.replace(text.split()[1], "00000000"))
    assert Notes(root).checked.splits["train"].fingerprint() == expected
    assert path.read_text() == text


def test_a_part_has_a_fingerprint_of_its_own(tmp_path, top, monkeypatch):
    root = coco(tmp_path / "set")
    parts = [Notes(root).checked.splits["train"].subset(which) for which in ([0], [1], [0])]
    first, second, third = (part.fingerprint() for part in parts)
    assert first == third != second
    monkeypatch.setenv(VARIABLE, "off")
    assert Notes(root).checked.splits["train"].subset([1]).fingerprint() == second


def test_a_cache_that_cannot_be_written_is_not_used(tmp_path, top):
    root = coco(tmp_path / "set")
    top.write_text("a file where the folder should be")
    for _ in range(2):
        notes = Notes(root)
        assert notes.has(UNUSED)
        assert isinstance(notes.checked.splits["train"].examples, ExampleColumns)


def test_a_full_disk_leaves_nothing_behind(tmp_path, top, monkeypatch):
    root = coco(tmp_path / "set")

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("condetr.data.columns.column_file.ColumnFile.write", fail)
        notes = Notes(root)
    assert notes.has("No space left on device")
    assert list(top.rglob("*")) == []
    assert content_of(notes.checked) == content_of(Notes(root).checked)


def test_files_that_change_while_they_are_read_are_not_kept(tmp_path, top, monkeypatch):
    root = coco(tmp_path / "set")
    checks = []

    def check_images(*arguments, **options):
        checks.append(arguments)
        touch(root / "train2017/t0.jpg")

    monkeypatch.setattr("condetr.data.checked_data.check_images", check_images)
    assert Notes(root).has("files changed while they were read")
    assert list(top.rglob("*")) == []
    assert len(checks) == 1


def test_there_is_nothing_kept_of_what_is_no_dataset(tmp_path, top):
    (tmp_path / "empty").mkdir()
    for path, reason in ((tmp_path / "missing", "does not exist"), (tmp_path / "empty", "holds no dataset")):
        with pytest.raises(CondetrError, match=reason):
            checked_data(path)
    assert list(top.rglob("*")) == []


def test_refused_data_are_refused_again(tmp_path, top):
    root = coco(tmp_path / "set")
    path = root / "annotations/instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["category_id"] = 77
    path.write_text(json.dumps(content))
    reasons = []
    for _ in range(2):
        with pytest.raises(AnnotationError) as caught:
            train_val_of(root)
        reasons.append(str(caught.value))
    assert reasons[0] == reasons[1]


def test_what_a_process_uses_is_not_removed(tmp_path, top):
    root = coco(tmp_path / "set")
    used = Notes(root).checked
    touch(root / "train2017/t0.jpg")
    Notes(root)
    assert len(files_in(top, "manifest.json")) == 2
    assert exact(pickle.loads(pickle.dumps(used.splits["train"]))[0]) == exact(used.splits["train"][0])
    del used
    touch(root / "train2017/t0.jpg")
    Notes(root)
    assert len(files_in(top, "manifest.json")) == 1


def test_choices_of_splits_share_what_is_kept(tmp_path, top):
    path = coco(tmp_path / "set")
    parts = [train_val_of(path, validation=validation) for validation in (None, "none", None)]
    assert [part.val is None for part in parts] == [False, True, False]
    assert str(parts[0].report) == str(parts[2].report)
    assert parts[0].notes == parts[2].notes
    assert len({part.train.fingerprint() for part in parts}) == 1
    assert len(files_in(top, "manifest.json")) == 1


START = """
import sys, time
from condetr.data.checked_data import Watcher, checked_data
print("ready", flush=True)
sys.stdin.readline()
notes = []
checked = checked_data(sys.argv[1], watcher=Watcher(notes.append))
print(repr((checked.splits["train"].fingerprint(), notes)), flush=True)
"""


def test_of_two_processes_one_reads_and_the_other_waits(forked, tmp_path, top):
    root = coco(tmp_path / "set")
    processes = [forked.start("-c", START, root, **BOTH_WAYS) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    assert not top.exists()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate()[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    (first, notes), (second, others) = map(eval, answers)
    assert first == second
    together = notes + others
    assert sum(READ in note for note in together) == 1
    assert sum(KEPT in note for note in together) == 1
    assert len(files_in(top, "manifest.json")) == 1


HOLD = """
import sys, time
from pathlib import Path
from condetr.files.folder_lock import Lock
lock = Lock(Path(sys.argv[1]), "reading data")
print("held", flush=True)
time.sleep(0.5)
lock.release()
"""


def test_a_process_that_reads_in_vain_keeps_no_other_from_reading(forked, tmp_path, top):
    root = coco(tmp_path / "set")
    Notes(root)
    (folder,) = top.iterdir()
    shutil.rmtree(next(folder.glob("[!.]*")))
    with forked.start("-c", HOLD, folder, **BOTH_WAYS) as holder:
        assert holder.stdout.readline() == "held\n"
        notes = Notes(root)
    assert notes.has("waiting: process")
    assert not notes.has(KEPT)
    assert files_in(top, "manifest.json") == []


def read_one(data, answers):
    answers.put((exact(data[1]), data.fingerprint()))


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_map_the_file(tmp_path, top, method):
    data = Notes(coco(tmp_path / "set")).checked.splits["train"]
    assert len(pickle.dumps(data)) < 2000, "its name, and not its content"
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    worker = context.Process(target=read_one, args=(data, answers))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert answers.get(timeout=60) == (exact(data[1]), data.fingerprint())
