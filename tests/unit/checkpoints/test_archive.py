"""Only archives in which all readers find the same records pass."""

import io
import struct
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from condetr.checkpoints import pickle_file
from condetr.checkpoints.archive import check_archive
from condetr.checkpoints.files import read_weights
from condetr.checkpoints.pickle_file import read_pickle
from condetr.core.errors import CheckpointError, ModelError

LIST, END = b"PK\1\2", b"PK\5\6"


@pytest.fixture(scope="module")
def stored():
    stream = io.BytesIO()
    torch.save({"a": torch.arange(100)}, stream)
    return stream.getvalue()


def packed(*records: tuple[str, bytes], **options) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for name, content in records:
            archive.writestr(name, content)
    return stream.getvalue()


def two_lists(stored: bytes) -> bytes:
    """PyTorch reads the list that the end points at, Python the one before the end."""
    bomb = packed(("a/data.pkl", bytes(10**6)), compression=zipfile.ZIP_DEFLATED)
    start = bomb.index(LIST)
    harmless = packed(("a/data.pkl", b"small"))
    end = bytearray(harmless[harmless.rindex(END) :])
    moved = bomb[: bomb.rindex(END)] + harmless[: harmless.rindex(END)]
    struct.pack_into("<L", end, 16, start)
    return moved + bytes(end)


def changed(stored: bytes, mark: bytes, offset: int, form: str, value: int) -> bytes:
    content = bytearray(stored)
    struct.pack_into(form, content, stored.rindex(mark) + offset, value)
    return bytes(content)


def overlapping(stored: bytes) -> bytes:
    """The second record begins inside of the first."""
    inner = packed(("a/b", b"12345"))
    outer = packed(("a/a", inner[: inner.index(LIST)]), ("a/b", b"12345"))
    return changed(outer, LIST, 42, "<L", outer.index(b"PK\3\4", 4))


PLAIN = packed(("a/a", b"12345"), ("a/b", b"12345"))
REFUSED = {
    "two lists of records": (two_lists, "readers differ"),
    "something before": (lambda stored: b"PK\3\4" + bytes(60) + stored, "readers differ"),
    "something before, and the list says so": (
        lambda _: changed(b"PK\3\4" + PLAIN, END, 16, "<L", PLAIN.index(LIST) + 4), "a record is not where",
    ),
    "something behind": (lambda stored: stored + b"behind", "something is behind"),
    "a comment": (lambda stored: changed(stored, END, 20, "<H", 4) + b"more", "something is behind"),
    "cut off": (lambda stored: stored[:-30], "cut off"),
    "nothing but the first mark": (lambda stored: stored[:4], "ends too early"),
    "records in the list but not in the count": (
        lambda _: changed(changed(PLAIN, END, 8, "<H", 1), END, 10, "<H", 1), "longer than its count",
    ),
    "more records in the count than in the list": (
        lambda _: changed(changed(PLAIN, END, 8, "<H", 99), END, 10, "<H", 99), "damaged",
    ),
    "two ends that differ": (lambda stored: changed(stored, END, 16, "<L", 7), "two ends differ"),
    "compressed": (lambda _: packed(("a/b", bytes(999)), compression=zipfile.ZIP_DEFLATED), "compressed"),
    "inflates without compression": (lambda stored: changed(stored, LIST, 24, "<L", 10**9), "compressed"),
    "claims more": (
        lambda _: changed(changed(PLAIN, LIST, 24, "<L", 10**9), LIST, 20, "<L", 10**9), "more data than the file",
    ),
    "overlaps": (overlapping, "overlap"),
    "twice": (lambda _: packed(("a/b", b"1"), ("a/B", b"2")), "twice"),
    "a record elsewhere": (lambda stored: changed(stored, LIST, 42, "<L", 1), "not where the list points"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_ambiguous_archives_are_refused_and_never_read(name, stored, tmp_path, monkeypatch):
    make, reason = REFUSED[name]
    (tmp_path / "a.pth").write_bytes(make(stored))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("PyTorch read it"))
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_pickle(tmp_path / "a.pth")
    assert "a.pth" in str(caught.value)


@pytest.mark.parametrize("wide", [False, True])
def test_what_torch_and_other_writers_of_plain_archives_store_passes(wide, stored, tmp_path, monkeypatch):
    if wide:  # the form for more than 4 GB
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 3)
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        written = packed(*((item.filename, archive.read(item)) for item in archive.infolist()))
    assert (b"PK\6\6" in written) == wide
    for content in (stored, written):
        (tmp_path / "a.pth").write_bytes(content)
        check_archive(tmp_path / "a.pth")
        assert read_pickle(tmp_path / "a.pth")["a"].tolist() == list(range(100))


def test_the_archive_of_the_issue_is_refused(shared):
    with pytest.raises(CheckpointError, match="readers differ"):
        read_pickle(shared / "cases/hostile/zipdiff.pth")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")]
)
def test_no_memory_for_weights_is_no_damage(error, stored, tmp_path, monkeypatch):
    (tmp_path / "a.pth").write_bytes(stored)
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(pickle_file.torch, "load", fail)
    monkeypatch.setattr("safetensors.torch.load_file", fail)
    for name in ("a.pth", "a.safetensors"):
        with pytest.raises(ModelError, match=f"{name}: out of memory while it was read"):
            read_weights(tmp_path / name)
