import os
import signal

import pytest
import yaml

from condetr.core.errors import UsageError
from condetr.training.run.run_folder import claimed
from condetr.training.settings import TrainingSettings
from tests.fork_server import BOTH_WAYS

HOLD = """
import sys
from pathlib import Path
from condetr.training.run.run_folder import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

DIE_WRITING = """
import os, signal, sys
from pathlib import Path
from condetr.files.atomic_write import write_files
write = lambda path: path.write_bytes(b"half")
die = lambda path: os.kill(os.getpid(), signal.SIGKILL)
write_files(Path(sys.argv[1]), {"model.safetensors": write, "config.json": die})
"""


def test_a_second_run_is_refused_and_a_dead_one_is_not_in_the_way(forked, tmp_path):
    with forked.start("-c", HOLD, tmp_path, **BOTH_WAYS) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UsageError, match=f"process {holder.pid} on .* is training in this folder"),
            claimed(tmp_path),
        ):
            pass
        holder.kill()
        holder.wait()
        with claimed(tmp_path) as folder:
            assert folder.notes == ()


def test_it_can_be_claimed_again_when_it_was_let_go(tmp_path):
    for _ in range(2):
        with claimed(tmp_path / "run") as folder:
            assert folder.checkpoints.is_dir()


def test_an_unwritable_place_is_refused_before_anything_else(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written") as caught, claimed(tmp_path / "file"):
        pass
    assert (caught.value.exit_status, caught.value.item) == (2, "output")
    if os.geteuid():  # root may write anywhere
        (tmp_path / "locked").mkdir(mode=0o555)
        with pytest.raises(UsageError, match="Permission denied"), claimed(tmp_path / "locked" / "run"):
            pass


def test_what_is_there_is_neither_overwritten_nor_invented(tmp_path):
    with pytest.raises(UsageError, match="has no run to resume"), claimed(tmp_path / "new", resume=True):
        pass
    assert not (tmp_path / "new").exists()
    (tmp_path / "checkpoints/step-3").mkdir(parents=True)
    with pytest.raises(UsageError, match="already holds a run"), claimed(tmp_path):
        pass
    with claimed(tmp_path, resume=True) as folder:
        assert folder.resumes
        assert [path.name for path in folder.checkpoints.iterdir()] == ["step-3"]


@pytest.mark.parametrize("kept", ["last", "best"])
def test_what_a_killed_run_left_unfinished_is_removed(forked, tmp_path, kept):
    (tmp_path / "checkpoints/.staged-step-4").mkdir(parents=True)
    (tmp_path / kept).mkdir()
    (tmp_path / kept / "config.json").touch()
    assert forked.run("-c", DIE_WRITING, tmp_path / kept).returncode == -signal.SIGKILL
    assert len(list((tmp_path / kept).iterdir())) == 3
    with claimed(tmp_path, resume=True) as folder:
        assert list(folder.checkpoints.iterdir()) == []
        assert [path.name for path in (tmp_path / kept).iterdir()] == ["config.json"]


def test_the_state_of_other_trainers_is_never_read(tmp_path):
    for name in ("optimizer.pt", ".metadata", "config.json"):
        (tmp_path / name).touch()
    said = r"has no run of condetr; \.metadata, optimizer\.pt .* never read .*--model"
    with pytest.raises(UsageError, match=said), claimed(tmp_path, resume=True):
        pass


def test_a_run_that_never_began_leaves_nothing(tmp_path):
    def refused(path):
        with pytest.raises(UsageError, match="no"), claimed(path):
            raise UsageError("no")

    refused(tmp_path / "runs/x")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "runs").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there/mine").touch()
    refused(tmp_path / "runs/x")
    refused(tmp_path / "there")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {
        "runs",
        "there",
        "there/mine",
    }
    with claimed(tmp_path / "runs/x") as folder:
        folder.write("config.yaml", "")
    assert (tmp_path / "runs/x/checkpoints").is_dir()


def test_it_says_what_the_run_is(tmp_path):
    settings = TrainingSettings(epochs=3)
    with claimed(tmp_path) as folder:
        folder.describe(settings.to_dict(), "cpu", {}, {"names": ["a"], "source_ids": [7]})
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == settings.to_dict()
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"command.txt", "environment.json", "data_report.json", "labels.json"}


def test_the_other_processes_of_a_run_do_not_claim_it(tmp_path):
    with claimed(tmp_path) as first, claimed(tmp_path, is_first=False) as other:
        assert first.path == other.path
