"""Two processes as torchrun starts them, through the command line."""

import json
import os
import subprocess
import sys

import pytest

from condetr.data.demo.scene_folder import write_scenes
from tests.unit.cli.commands.test_train import SMALL

# Without GPUs `device: auto` must find the other process all the same.
WITHOUT_GPU = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]


def test_a_run_and_what_it_measured(command, tmp_path):
    """Seven images to measure on do not divide by two; one process measures the same."""
    write_scenes(tmp_path / "data", train=5, val=7)
    (tmp_path / "small.yaml").write_text(
        SMALL.replace("device: cpu", "device: auto") + "\nlr: 0.002\nlr_backbone: 0.002\n"
    )
    words = ["train", "data", "--config", "small.yaml", "--output", "run", "--epochs", "2", "--json"]
    launched = [*LAUNCHER, "--standalone", "-m", "condetr", *words]
    both = subprocess.run(
        launched, cwd=tmp_path, env=WITHOUT_GPU, capture_output=True, text=True, check=False, timeout=300
    )
    assert both.returncode == 0, both.stderr
    said = json.loads(both.stdout)
    assert said["progress"]["step"] == 2, "two processes with batches of 4 take one step for 5 images"
    assert both.stderr.count("epoch 1: loss") == 1
    assert "Warning" not in both.stderr

    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    best = max((row for row in rows if "ap" in row), key=lambda row: row["ap"])
    alone = command("evaluate", "data", "--model", "run", "--metrics", "ap", "--json", cwd=tmp_path)
    measured = json.loads(alone.stdout)
    assert measured["ap"] == pytest.approx(best["ap"], abs=1e-9)
    assert measured["ap50"] == pytest.approx(best["ap50"], abs=1e-9)
    assert measured["data"]["pictures"] == 7
