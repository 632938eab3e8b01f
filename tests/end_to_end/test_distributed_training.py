"""Two processes on this machine, as a launcher would start them."""

import json
import signal
import socket
from pathlib import Path

import pytest

from condetr.training.run.events import Noted, Stepped
from tests.end_to_end.ranks import ends, free_port
from tests.unit.training.runs import small_run
from tests.unit.training.scenes import write_scenes

ROOT = Path(__file__).parents[2]
PLAIN = {"dropout": 0.0, "augment": "none", "epochs": 3, "batch": 1, "query_groups": 1}


@pytest.fixture
def launched(started_ranks):
    def start(folder, *options, port, ranks=(0, 1), of=2, **settings):
        given = [folder, folder.parent / "scenes", "--set", json.dumps(PLAIN | settings), *options]
        return started_ranks("-m", "tests.unit.training.runs", *given, ranks=ranks, of=of, port=port, cwds=[ROOT])

    return start


def wait_for_step(process, step):
    for line in process.stdout:
        if line.startswith(f"Stepped(step={step},"):
            return
    pytest.fail(f"ended before step {step}: {process.stderr.read()}")


def measured(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row["epoch"]) for row in rows], [
        value for row in rows for value in (row["loss"], row["gradient"])
    ]


def test_two_processes_learn_what_one_does_and_one_can_go_on(tmp_path, launched):
    """Images without objects, and an odd number: a process has nothing to do at the end of each epoch."""
    scenes = write_scenes(tmp_path / "scenes", 7, empty=range(3))
    small_run(tmp_path / "one", scenes, **(PLAIN | {"batch": 2}))
    two = launched(tmp_path / "two", port=free_port())
    wait_for_step(two[0], 2)
    two[1].send_signal(signal.SIGTERM)  # only one of them receives it
    ends(two, within=60)
    assert [process.returncode for process in two] == [-signal.SIGTERM] * 2

    said = []
    small_run(tmp_path / "two", scenes, resume=True, say=said.append, **(PLAIN | {"batch": 2}))
    assert any("1 processes instead of 2" in event.text for event in said if isinstance(event, Noted))
    assert [event.step for event in said if isinstance(event, Stepped)][-1] == 6
    (ours, numbers), (theirs, expected) = measured(tmp_path / "two"), measured(tmp_path / "one")
    assert ours == theirs == [(1, 0.571), (2, 1.0), (3, 1.571), (4, 2.0), (5, 2.571), (6, 3.0)]
    # sums in another order; Adam makes more of it with each step
    assert numbers == pytest.approx(expected, rel=2e-3)


ADDED = {"one_to_many": 2, "dense_aux": 1.0, "dense_until": 0.5, "iou_aware": 0.75}
FROZEN = {"freeze": ["backbone", "encoder"], "freeze_steps": 3}


@pytest.mark.parametrize("options", [ADDED, FROZEN], ids=str)
def test_two_processes_learn_what_one_does_where_training_adds_to_it(tmp_path, launched, options):
    """The dense head rests, and frozen parts are trained, from the second half on."""
    scenes = write_scenes(tmp_path / "scenes", 7, empty=range(3))
    small_run(tmp_path / "one", scenes, **(PLAIN | options | {"batch": 2}))
    two = launched(tmp_path / "two", port=free_port(), **options)
    said = ends(two, within=120)
    assert [process.returncode for process in two] == [0, 0], said
    (ours, numbers), (theirs, expected) = measured(tmp_path / "two"), measured(tmp_path / "one")
    assert ours == theirs
    assert numbers == pytest.approx(expected, rel=2e-3)  # sums in another order, as above


def test_a_killed_process_ends_the_others_in_words(tmp_path, launched):
    write_scenes(tmp_path / "scenes", 7)
    two = launched(tmp_path / "run", port=free_port(), epochs=1000)
    wait_for_step(two[0], 2)
    two[1].kill()
    (_, said), _ = ends(two, within=60)
    assert two[0].returncode == 5
    assert f"lost process 1 (pid {two[1].pid} on {socket.gethostname()}) in step" in said


def test_a_process_killed_while_it_measures_is_named_as_well(tmp_path, launched):
    write_scenes(tmp_path / "scenes", 7)
    two = launched(tmp_path / "run", "--die-measuring", port=free_port())
    (_, said), _ = ends(two, within=60)
    assert two[0].returncode == 5, said
    assert f"lost process 1 (pid {two[1].pid} on {socket.gethostname()}) in step 2" in said
    assert (tmp_path / "run/checkpoints/step-2/manifest.json").is_file()


def test_the_first_one_killed_inside_a_save_and_four_going_on(tmp_path, launched):
    scenes = write_scenes(tmp_path / "scenes", 7)
    two = launched(tmp_path / "run", "--die-in-save", "3", port=free_port(), save_every=1, accumulate=1)
    _, (_, said) = ends(two, within=60)
    assert (two[0].returncode, two[1].returncode) == (-signal.SIGKILL, 5)
    assert f"process 0 (pid {two[0].pid} on " in said
    assert {path.name for path in (tmp_path / "run/checkpoints").iterdir()} >= {"step-2", ".staged-step-3"}

    four = launched(tmp_path / "run", "--resume", ranks=range(4), of=4, port=free_port(), accumulate=1)
    said = ends(four, within=120)
    assert [process.returncode for process in four] == [0] * 4, said
    assert "resuming from step-2" in said[0][0]
    assert "4 processes instead of 2: the order of the images stays, none is repeated or left out" in said[0][0]
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    seen = [round(row["epoch"] * len(scenes)) for row in rows]
    assert seen == [2, 4, 7, 11, 14, 18, 21], "two at once, then four; every epoch ends where it did"


def test_a_port_that_is_taken_is_a_slip(tmp_path, launched):
    write_scenes(tmp_path / "scenes", 7)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (first,) = launched(tmp_path / "run", ranks=[0], port=taken.getsockname()[1])
        ((_, said),) = ends([first], within=60)
    assert first.returncode == 2, said
    assert "the processes cannot connect to each other" in said
    assert "is another run using this port?" in said
    assert not (tmp_path / "run").exists()


def test_processes_with_different_settings_refuse_to_start(tmp_path, launched):
    write_scenes(tmp_path / "scenes", 7)
    port = free_port()
    one, other = (launched(tmp_path / "run", ranks=[rank], port=port, lr=0.1 * (rank + 1)) for rank in range(2))
    two = one + other
    answers = ends(two, within=60)
    assert [process.returncode for process in two] == [2, 2], answers
    assert "settings, network or data: differ" in answers[0][1]
