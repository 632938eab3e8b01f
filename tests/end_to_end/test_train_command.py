"""A detector from labeled images, the way a person makes one: trained, stopped, resumed, measured, used."""

import json
import signal

from condetr.data.demo.scene_folder import write_scenes
from tests.unit.cli.commands.test_train import SMALL


def test_three_commands_and_a_stop_on_the_way(command, tmp_path):
    write_scenes(tmp_path / "data", train=8, val=4)
    (tmp_path / "small.yaml").write_text(SMALL)
    words = ["train", "data", "--config", "small.yaml", "--output", "run"]
    running = command.start(*words, "--epochs", "5000", cwd=tmp_path)
    for line in running.stderr:
        if "epoch 1:" in line:
            running.send_signal(signal.SIGINT)
            break
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.endswith("stopped by SIGINT\n")

    stopped = max(int(path.name.split("-")[1]) for path in (tmp_path / "run/checkpoints").glob("step-*"))
    epochs = stopped // 2 + 2
    resumed = command("train", "data", "--output", "run", "--resume", "--epochs", epochs, "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["progress"]["step"] == 2 * epochs
    assert "resuming from step-" in resumed.stderr

    measured = command("evaluate", "data", "--model", "run", "--metrics", "ap", "--json", cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
    assert "ap50" in json.loads(measured.stdout)
    assert command("predict", "data/val", "--model", "run", "--threshold", "0.1", cwd=tmp_path).returncode == 0


def test_a_stop_while_it_is_measured(command, tmp_path):
    number, status = signal.SIGTERM, 143  # the other test stops by SIGINT
    write_scenes(tmp_path / "data", train=4, val=100)
    (tmp_path / "small.yaml").write_text(SMALL)
    running = command.start("train", "data", "--config", "small.yaml", "--output", "run", "-v", cwd=tmp_path)
    for line in running.stderr:
        if "epoch 1: measuring" in line:
            running.send_signal(number)
            break
    _, err = running.communicate(timeout=60)
    assert (running.returncode, f"{number.name}: saved; --resume repeats the evaluation" in err) == (status, True), err
    resumed = command("train", "data", "--output", "run", "--resume", "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    said = json.loads(resumed.stdout)
    assert (said["progress"]["step"], said["progress"]["evaluated_step"]) == (1, 1)
    assert "0 steps of 4 images" in resumed.stderr
