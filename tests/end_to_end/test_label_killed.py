"""``condetr label`` is killed as by a power button, twice; the same command goes on, and nothing is double or lost."""

import json
import time

from condetr.checkpoints.saving import save
from condetr.data.demo.scene_folder import write_scenes
from tests.tiny import PREPROCESSING, tiny_detector

IMAGES = 240


def lines_of(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_the_same_command_goes_on(command, tmp_path):
    write_scenes(tmp_path / "scenes", train=0, val=IMAGES)
    save(tmp_path / "model", tiny_detector(), dict(enumerate("012")), preprocessing=PREPROCESSING.to_dict())
    words = ["label", "scenes/val", "--model", "model", "--device", "cpu", "--threshold", "0.1", "--format", "yolo"]
    journal, counts = tmp_path / "killed.unfinished/predictions.jsonl", [0]
    for _ in range(2):
        running = command.start(*words, "--output", "killed", cwd=tmp_path)
        latest = time.monotonic() + 120
        while lines_of(journal) <= counts[-1] and running.poll() is None and time.monotonic() < latest:
            time.sleep(0.005)
        running.kill()
        running.communicate(timeout=60)
        counts.append(lines_of(journal))
        assert not (tmp_path / "killed").exists()
    assert 0 < counts[1] < counts[2] < IMAGES
    last, whole = (command(*words, "--json", "--output", name, cwd=tmp_path) for name in ("killed", "whole"))
    assert (last.returncode, whole.returncode) == (0, 0), last.stderr + whole.stderr
    found = json.loads(last.stdout)["counts"]
    assert found == json.loads(whole.stdout)["counts"] | {"before": counts[2]}
    assert f"had detected objects in {counts[2]} images" in last.stderr
    folders = tmp_path / "killed", tmp_path / "whole"
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in folders
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) > 2 * IMAGES
    assert not journal.parent.exists()
