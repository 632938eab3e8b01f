"""Two processes as torchrun starts them, through the command line."""

import json
import os
import time

import psutil
import pytest

from condetr.data.demo.scene_folder import write_scenes
from tests.end_to_end.ranks import ends, free_port
from tests.unit.cli.commands.test_train import SMALL

# Without GPUs `device: auto` must find the other process all the same.
WITHOUT_GPU = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
LAUNCHER = ["-m", "torch.distributed.run"]  # forked; it starts each process anew


def test_a_run_and_what_it_measured(forked, command, tmp_path):
    """Seven images to measure on do not divide by two; one process measures the same."""
    write_scenes(tmp_path / "data", train=5, val=7)
    (tmp_path / "small.yaml").write_text(
        SMALL.replace("device: cpu", "device: auto") + "\nlr: 0.002\nlr_backbone: 0.002\n"
    )
    words = ["train", "data", "--config", "small.yaml", "--output", "run", "--epochs", "2", "--json"]
    launched = [*LAUNCHER, "--nproc-per-node", "2", "--standalone", "-m", "condetr", *words]
    both = forked.run(*launched, cwd=tmp_path, env=WITHOUT_GPU, timeout=300)
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


def start_node(forked, folder, number, port, *words):
    """A machine without a shared disk: its own launcher, working folder and output."""
    meeting = ["--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(number), "--max-restarts", "2"]
    meeting += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "two-nodes"]
    meeting += ["--rdzv-conf", f"is_host={number == 0}", "--local-addr", "127.0.0.1", "--monitor-interval", "0.1"]
    with (folder / "log").open("wb") as log:
        return forked.start(
            *LAUNCHER,
            *(*meeting, "-m", "condetr", *words),
            cwd=folder,
            env=WITHOUT_GPU | {"OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
        )


def wait_until(holds, nodes):
    deadline = time.monotonic() + 240
    while not holds():
        assert all(node.poll() is None for node in nodes), "ended before"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_two_nodes_without_a_shared_disk_survive_a_kill(forked, started_ranks, tmp_path):
    """The launchers restart both workers; the node that lacks the checkpoint gets it; the weights are the same bits."""
    write_scenes(tmp_path / "data", train=6, val=2)
    (tmp_path / "small.yaml").write_text(SMALL + "\nlr: 0.002\nlr_backbone: 0.002\n")
    words = ["train", str(tmp_path / "data"), "--config", str(tmp_path / "small.yaml"), "--output", "run"]
    words += ["--epochs", "9", "--save-every", "1", "--validation", "none", "--batch", "1"]
    folders = {name: [tmp_path / f"{name}-{number}" for number in range(2)] for name in ("whole", "killed")}
    for folder in (*folders["whole"], *folders["killed"]):
        folder.mkdir()
    alone = {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "CUDA_VISIBLE_DEVICES": ""}  # each on its machine
    whole = started_ranks("-m", "condetr", *words, port=free_port(), cwds=folders["whole"], **alone)
    outputs = ends(whole, within=240)
    assert [process.returncode for process in whole] == [0, 0], outputs

    port = free_port()
    nodes = [start_node(forked, folder, number, port, *words) for number, folder in enumerate(folders["killed"])]
    try:
        wait_until(lambda: any((tmp_path / "killed-0/run/checkpoints").glob("step-[4-9]")), nodes)
        psutil.Process(nodes[0].pid).children()[0].kill()
        for number, node in enumerate(nodes):
            assert node.wait(timeout=300) == 0, (tmp_path / f"killed-{number}/log").read_text()
    finally:
        for node in nodes:
            node.kill()
    ended = {
        name: {
            (folder / "run/last/model.safetensors").read_bytes()
            for folder in both
            if (folder / "run/labels.json").exists()
        }
        for name, both in folders.items()
    }
    assert "resuming from step-" in (tmp_path / "killed-0/log").read_text()
    assert ended["whole"] <= ended["killed"]
