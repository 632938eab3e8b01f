import errno
import json
import os

import pytest
import torch

from condetr.core.errors import CheckpointError, SettingsError, StorageError
from condetr.training.progress import Progress
from condetr.training.run import checkpointing
from condetr.training.run.checkpointing import save_checkpoint, steps_saved
from condetr.training.run.resume import changes_since, check_data, newest_complete, newest_usable, read_checkpoint

STATE = {"condetr": "1.2", "settings": {"seed": 1, "lr": 0.1}, "data": "a" * 64}


def save(folder, step):
    return save_checkpoint(folder, step, {"weights": {"a": torch.full((3,), float(step))}}, STATE | {"at": step})


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_comes_back(tmp_path):
    path = save(tmp_path, 7)
    assert names_in(path) == ["manifest.json", "state.json", "weights.safetensors"]
    stored = read_checkpoint(path)
    assert stored.tensors["weights"]["a"].tolist() == [7, 7, 7]
    assert stored.state["at"] == 7


def test_the_newest_two_are_kept_by_step_and_not_by_clock(tmp_path):
    for step in (2, 10, 9):
        save(tmp_path, step)
        os.utime(tmp_path / f"step-{step}", (0, 0) if step == 10 else None)
    assert names_in(tmp_path) == ["step-2", "step-9"], "10 was of a future that a resumed run left behind"
    save(tmp_path, 10)
    os.utime(tmp_path / "step-10", (0, 0))
    assert names_in(tmp_path) == ["step-10", "step-9"]
    assert list(steps_saved(tmp_path)) == [10, 9]
    assert newest_complete(tmp_path) == (tmp_path / "step-10", [])


@pytest.mark.parametrize("harm", ["cut", "changed", "missing", "added", "no manifest", "broken manifest"])
def test_one_that_is_not_whole_is_problems_and_named(harm, tmp_path):
    save(tmp_path, 3)
    newest = save(tmp_path, 4)
    weights, manifest = newest / "weights.safetensors", newest / "manifest.json"
    match harm:
        case "cut":
            weights.write_bytes(weights.read_bytes()[:-1])
        case "changed":
            weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
        case "missing":
            weights.unlink()
        case "added":
            (newest / "more.safetensors").write_bytes(b"")
        case "no manifest":
            manifest.unlink()
        case "broken manifest":
            manifest.write_text(manifest.read_text()[:20])
    path, said = newest_complete(tmp_path)
    assert path == tmp_path / "step-3"
    assert len(said) == 1
    assert said[0].startswith("step-4 is skipped")


def test_nothing_at_all_is_no_checkpoint(tmp_path):
    (tmp_path / ".staged-step-3").mkdir()
    (tmp_path / "step-x").mkdir()
    assert newest_complete(tmp_path) == (None, [])


@pytest.mark.parametrize("number", range(1, 9))
def test_a_full_disk_leaves_what_was_there(number, tmp_path, monkeypatch):
    save(tmp_path, 1)
    calls = [0]
    fsync = os.fsync

    def failing(handle):
        calls[0] += 1
        if calls[0] == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", failing)
    if number <= 5:
        with pytest.raises(StorageError, match="No space left on device"):
            save(tmp_path, 2)
    else:
        save(tmp_path, 2)
    path, _ = newest_complete(tmp_path)
    assert path in (tmp_path / "step-1", tmp_path / "step-2")
    assert not [name for name in names_in(tmp_path) if name.startswith(".staged")]


def test_what_a_dead_process_left_is_removed_with_the_next_save(tmp_path):
    for name in (".staged-step-5", ".removed-step-1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").write_bytes(b"half")
    save(tmp_path, 5)
    assert names_in(tmp_path) == ["step-5"]


def test_another_format_is_refused_with_both_versions(tmp_path):
    path = save(tmp_path, 1)
    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps(state | {"format": checkpointing.FORMAT + 1, "condetr": "9.9"}))
    with pytest.raises(CheckpointError, match=r"is of format 2, written by condetr 9\.9; this one reads 1"):
        read_checkpoint(path)


def test_settings_may_change_unless_the_state_depends_on_them(tmp_path):
    stored = read_checkpoint(save(tmp_path, 1))
    assert changes_since(stored, {"seed": 1, "lr": 0.1, "new": 3}) == []
    assert changes_since(stored, {"seed": 1, "lr": 0.2}) == ["lr changes from 0.1 to 0.2"]
    with pytest.raises(SettingsError, match="seed: is 2, but the run began with 1"):
        changes_since(stored, {"seed": 2, "lr": 0.1})


def test_other_data_is_refused_unless_allowed(tmp_path):
    stored = read_checkpoint(save(tmp_path, 1))
    assert check_data(stored, "a" * 64, allow_changed=False) is None
    with pytest.raises(SettingsError, match=r"fingerprint bbbbbbbbbbbb, it was aaaaaaaaaaaa.*--allow-changed-data"):
        check_data(stored, "b" * 64, allow_changed=False)
    assert "changed since the checkpoint" in check_data(stored, "b" * 64, allow_changed=True)


WHOLE = STATE | {
    "batch": 1,
    "processes": 1,
    "numbers": {"scaler": {}, "averaged": 0},
    "progress": Progress(step=1, best=0.5, metrics={"ap": 0.5}).to_dict() | {"position": [0, 1]},
}


def usable(folder, *states):
    for number, state in enumerate(states, 1):
        save_checkpoint(folder, number, {"weights": {"a": torch.zeros(1)}}, state)
    stored, problems = newest_usable(folder)
    return None if stored is None else stored.path.name, problems


def progressed(**changes):
    return WHOLE | {"progress": WHOLE["progress"] | {"step": 2} | changes}


def without(name):
    return {key: value for key, value in progressed().items() if key != name}


def test_the_newest_usable_checkpoint_is_read(tmp_path):
    assert usable(tmp_path, WHOLE, progressed()) == ("step-2", [])


@pytest.mark.parametrize(
    ("state", "says"),
    [
        *((without(name), f"no usable {name}") for name in sorted(WHOLE.keys() - {"condetr"})),
        *((progressed() | {name: None}, f"no usable {name}") for name in sorted(WHOLE.keys() - {"condetr"})),
        *((progressed(**{name: "x"}), f"no usable progress.{name}") for name in WHOLE["progress"]),
        (progressed(step=7), "no usable progress.step"),
        (progressed(position=[0]), "no usable progress.position"),
        (progressed(later=1), "no usable progress.later"),
        (progressed() | {"numbers": {}}, "no usable numbers.scaler"),
        (progressed() | {"format": None}, "is of format None"),
    ],
)  # fmt: skip
def test_a_state_from_which_no_run_can_go_on_is_problems(tmp_path, state, says):
    """Whole by its manifest, as a program with a fault may leave it; the one before it is good."""
    path, problems = usable(tmp_path, WHOLE, state)
    assert path == "step-1"
    assert says in problems[0]


@pytest.mark.parametrize("name", ["manifest.json", "state.json", "weights.safetensors"])
def test_a_folder_where_a_file_should_be_is_damage(tmp_path, name):
    usable(tmp_path, WHOLE, progressed())
    (tmp_path / "step-2" / name).unlink()
    (tmp_path / "step-2" / name).mkdir()
    stored, problems = newest_usable(tmp_path)
    assert stored.path.name == "step-1"
    assert name in problems[0]
    assert "Is a directory" in problems[0]


def test_leftovers_may_be_files(tmp_path):
    (tmp_path / ".staged-step-3").write_text("x")
    assert usable(tmp_path, WHOLE) == ("step-1", [])
    assert names_in(tmp_path) == ["step-1"]
