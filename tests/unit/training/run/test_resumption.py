"""Whether a run is resumed, and how machines without a shared disk get its files."""

import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.distributed import HashStore

from condetr.core.errors import StorageError
from condetr.training.run import resumption
from condetr.training.run.checkpointing import save_checkpoint
from condetr.training.run.resumption import copy_to_all, is_resumed


def run_at(folder, step, *, value=1.0):
    save_checkpoint(folder / "checkpoints", step, {"weights": {"w": torch.full((3,), value)}}, {"progress": step})
    (folder / "last").mkdir(exist_ok=True)
    (folder / "last/config.json").write_text("{}")
    (folder / "config.yaml").write_text(f"epochs: {step}\n")
    return folder


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def exchange(folders, leaders=None):
    """As so many processes would; returns the store, for what is left in it."""
    store = HashStore()
    leaders = leaders or list(range(len(folders)))
    with ThreadPoolExecutor(len(folders)) as pool:
        jobs = [
            pool.submit(copy_to_all, store, folder, rank, len(folders), leader=leaders[rank])
            for rank, folder in enumerate(folders)
        ]
    return store, [job.exception() for job in jobs]


def test_machines_without_the_run_get_it_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(resumption, "CHUNK", 64)  # files of many messages, and of exactly one
    run_at(tmp_path / "0", 7)
    (tmp_path / "0/metrics.jsonl").write_bytes(b"x" * 64)
    (tmp_path / "0/metrics.csv").write_bytes(b"")
    store, errors = exchange([tmp_path / "0", tmp_path / "1", tmp_path / "2"])
    assert errors == [None] * 3
    assert files_of(tmp_path / "1") == files_of(tmp_path / "2") == files_of(tmp_path / "0")
    assert store.num_keys() == 3 + 2, "the steps of all, and that two have copied"


def test_the_newest_checkpoint_wins_wherever_it_is(tmp_path):
    """The launcher may give the first rank to a machine that has an old one."""
    run_at(tmp_path / "0", 3, value=3.0)
    run_at(tmp_path / "1", 9, value=9.0)
    _, errors = exchange([tmp_path / "0", tmp_path / "1"])
    assert errors == [None] * 2
    assert (tmp_path / "0/checkpoints/step-9/weights.safetensors").read_bytes() == (
        tmp_path / "1/checkpoints/step-9/weights.safetensors"
    ).read_bytes()
    assert (tmp_path / "0/config.yaml").read_text() == "epochs: 9\n"
    assert (tmp_path / "0/checkpoints/step-3").is_dir()


def test_a_damaged_copy_is_replaced(tmp_path):
    for name in ("0", "1"):
        run_at(tmp_path / name, 5)
    (tmp_path / "1/checkpoints/step-5/weights.safetensors").write_bytes(b"damaged")
    _, errors = exchange([tmp_path / "0", tmp_path / "1"])
    assert errors == [None] * 2
    assert files_of(tmp_path / "1") == files_of(tmp_path / "0")


def test_nothing_is_copied_on_a_shared_disk(tmp_path):
    run_at(tmp_path / "run", 5)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    store, errors = exchange([tmp_path / "run"] * 4, leaders=[0, 0, 2, 2])
    assert errors == [None] * 4
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert store.num_keys() == 4


def test_one_process_writes_for_its_machine(tmp_path, monkeypatch):
    writes = []
    receive = resumption._receive
    monkeypatch.setattr(resumption, "_receive", lambda *given: (writes.append(1), receive(*given)))
    run_at(tmp_path / "0", 5)
    _, errors = exchange([tmp_path / "0", tmp_path / "0", tmp_path / "1", tmp_path / "1"], leaders=[0, 0, 2, 2])
    assert errors == [None] * 4
    assert writes == [1]
    assert files_of(tmp_path / "1") == files_of(tmp_path / "0")


def test_a_machine_that_cannot_write_stops_all_that_wait_for_it(tmp_path):
    run_at(tmp_path / "0", 5)
    (tmp_path / "1").write_text("a file where the folder should be")
    _, errors = exchange([tmp_path / "0", tmp_path / "1"])
    assert all(isinstance(error, StorageError) for error in errors)
    assert str(tmp_path / "1") in str(errors[0])


@pytest.mark.parametrize(
    ("resume", "restarts", "has_run", "expected"),
    [
        (False, [0, 0], True, False),
        (True, [0, 0], False, True),
        ("auto", [0, 0], False, False),
        ("auto", [0, 0], True, True),
        (False, [0, 1], True, True),
        (False, [1, 0], False, False),
    ],
)
def test_a_restart_of_any_machine_resumes_all(forked, tmp_path, resume, restarts, has_run, expected):
    """Real processes: a launcher restarts the workers of healthy machines without counting it."""
    if has_run:
        run_at(tmp_path / "0", 2)
    program = "from condetr.training.run.resumption import is_resumed; from pathlib import Path; import sys; "
    program += f"print(is_resumed(Path(sys.argv[1]), {resume!r}))"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    started = [
        forked.start(
            "-c",
            program,
            tmp_path / str(rank),
            env=os.environ | common | {"RANK": str(rank), "TORCHELASTIC_RESTART_COUNT": str(restarts[rank])},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    answers = [process.communicate(timeout=120)[0].strip() for process in started]
    assert answers == [str(expected)] * 2


def test_a_single_process_asks_nobody(tmp_path, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not is_resumed(tmp_path, "auto")
    run_at(tmp_path, 2)
    assert is_resumed(tmp_path, "auto")
    assert not is_resumed(tmp_path, resume=False)
