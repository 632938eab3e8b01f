import json
import signal
import time

import pytest

from condetr.checkpoints.saving import save
from condetr.data.demo.scene_folder import write_scenes
from tests.end_to_end.ranks import ends, free_port
from tests.tiny import PREPROCESSING, tiny_detector


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    write_scenes(folder / "scenes", train=0, val=7)
    save(folder / "model", tiny_detector(), dict(enumerate("012")), preprocessing=PREPROCESSING.to_dict())
    (folder / "map.yaml").write_text("".join(f'"{digit}": []\n' for digit in "3456789"))
    return folder


def test_two_processes_count_every_image_once(command, started_ranks, scenes):
    """Seven images, two processes: the report of one, written once."""
    words = ["evaluate", "scenes", "--model", "model", "--map", "map.yaml", "--json"]
    alone = command(*words, "--output", "alone", "--device", "cpu", cwd=scenes)
    assert alone.returncode == 0, alone.stderr
    both = started_ranks("-m", "condetr", *words, "--output", "both", port=free_port(), cwds=[scenes])
    (out, err), (silent, more) = ends(both, within=120)
    assert [process.returncode for process in both] == [0, 0], err + more
    assert silent == ""
    record = [json.loads(text) | {"output": None} for text in (alone.stdout, out)]
    assert record[0] == record[1]
    assert record[0]["data"]["pictures"] == 7
    assert (scenes / "alone/predictions.json").read_text() == (scenes / "both/predictions.json").read_text()


def test_a_signal_ends_it_and_leaves_no_half_report(command, scenes, tmp_path):
    number, status = signal.SIGINT, 130
    write_scenes(tmp_path / "many", train=0, val=600)
    words = ["evaluate", tmp_path / "many", "--model", "model", "--map", "map.yaml", "--device", "cpu"]
    running = command.start(*words, "--output", tmp_path / "report", cwd=scenes)
    deadline = time.monotonic() + 60
    while not (tmp_path / "report").is_dir() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(number)
    out, output = running.communicate(timeout=60)
    assert (running.returncode, out) == (status, "")
    assert output.endswith(f"condetr: error: stopped by {number.name}\n")
    assert not (tmp_path / "report").exists()


def test_a_folder_in_voc_form(command, shared, tmp_path):
    """Real labels, some of them dirty; the model calls the classes otherwise."""
    names = {"RBC": "red", "WBC": "white", "Platelets": "plates"}
    save(tmp_path / "model", tiny_detector(), dict(enumerate(names.values())), preprocessing=PREPROCESSING.to_dict())
    (tmp_path / "map.yaml").write_text(json.dumps(names))
    words = ["--split", "test", "--model", "model", "--map", "map.yaml", "--metrics", "ap,per-class", "--batch", "8"]
    done = command("evaluate", shared / "data/bccd", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("72 images of test\n")
    assert (tmp_path / "runs/evaluate/per_class.csv").is_file()
