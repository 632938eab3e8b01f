"""Ray on this machine: whatever process is killed, each image has its line once, and it is that of one process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from condetr.data.demo.scene_folder import write_scenes

pytest.importorskip("ray", reason='needs ray: pip install "condetr[ray]"')
pytestmark = pytest.mark.slow

PATIENCE = 300  # seconds, of a machine with other work
PIPELINE = """
import sys

import ray

from condetr.ray import Detect

ray.init(address="local", include_dashboard=False, log_to_driver=False, object_store_memory=256 << 20,
         _system_config={"worker_niceness": 0})
ray.data.DataContext.get_current().enable_progress_bars = False
images = ray.data.from_items([{"path": path} for path in sys.argv[2:]])
found = images.map_batches(Detect, fn_constructor_args=[sys.argv[1]], batch_size=2, concurrency=1)
found.write_parquet("found")
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory, command):
    """A folder with images, one of which is damaged, and what one process predicts."""
    folder = tmp_path_factory.mktemp("ray")
    write_scenes(folder, train=0, val=80)
    shutil.copy(folder / "val/000005.jpg", folder / "val/000005b.jpg")
    (folder / "val/000040.jpg").write_bytes(b"no image")
    done = command(*words(folder, "plain"))
    assert done.returncode == 4, done.stderr
    return folder


def words(folder, output, *more):
    return ("predict", folder / "val", "--model", "condetr/digits", "--output", folder / output, *more)


def with_ray(folder, output, *more):
    return words(folder, output, "--engine", "ray", "--actors", "2", *more)


def contents_of(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def lines_in(file):
    return file.read_bytes().count(b"\n") if file.exists() else 0


def wait_for_lines(process, file):
    ended = time.monotonic() + PATIENCE
    while not lines_in(file):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ended
        time.sleep(0.2)


def actors_of(driver):
    """The processes with the network below this one."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes()
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        if name.startswith(b"ray::DetectionActor"):
            found.append(int(folder.name))
    return [actor for actor in found if driver in ancestors(actor, parents)]


def ancestors(process, parents):
    while process := parents.get(process, 0):
        yield process


def test_an_actor_that_is_killed_is_made_again_and_all_files_are_those_of_one_process(work, command):
    process = command.start(*with_ray(work, "killed"))
    wait_for_lines(process, work / "killed/predictions.jsonl")
    actors = actors_of(process.pid)
    assert len(actors) == 2
    os.kill(actors[0], signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4, err
    assert out == f"80 ok, 1 failed; results in {work / 'killed'}\n", "and nothing of Ray"
    assert contents_of(work / "killed") == contents_of(work / "plain")


def test_a_driver_that_is_killed_goes_on_with_resume(work, command):
    process = command.start(*with_ray(work, "resumed", "--save", "jsonl"))
    journal = work / "resumed/predictions.jsonl"
    wait_for_lines(process, journal)
    actors = actors_of(process.pid)
    process.kill()
    process.communicate()
    before = lines_in(journal)
    assert 0 < before < 80
    done = command(*with_ray(work, "resumed", "--save", "jsonl", "--resume", "--json"))
    assert done.returncode == 4, done.stderr
    assert json.loads(done.stdout)["counts"] == {"ok": 80 - before, "failed": 1, "before": before}
    assert journal.read_bytes() == (work / "plain/predictions.jsonl").read_bytes()
    assert (work / "resumed/errors.jsonl").read_bytes() == (work / "plain/errors.jsonl").read_bytes()
    assert not [actor for actor in actors if Path(f"/proc/{actor}").exists()], "they end with their driver"
    refused = command(*with_ray(work, "resumed", "--save", "jsonl", "--resume", "--threshold", "0.9"))
    assert refused.returncode == 2
    assert "threshold: is 0.9, but the run in this folder began with 0.5" in refused.stderr


def test_the_class_is_a_step_of_ray_data(work):
    parquet = pytest.importorskip("pyarrow.parquet")
    images = [str(work / f"val/{name}.jpg") for name in ("000000", "000001", "000040")]
    done = subprocess.run(
        [sys.executable, "-c", PIPELINE, "condetr/digits", *images],
        cwd=work,
        env=os.environ | {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    rows = {row["path"]: row for row in parquet.read_table(work / "found").to_pylist()}
    expected = map(json.loads, (work / "plain/predictions.jsonl").read_text().splitlines())
    for record in (record for record in expected if record["source"] in images):
        row = rows[record["source"]]
        assert row["boxes"] == [detection["box"] for detection in record["detections"]]
        assert row["names"] == [detection["name"] for detection in record["detections"]]
        assert row["error"] is None
    assert rows[images[2]]["error"].startswith(f"{images[2]}: ")
    assert rows[images[2]]["boxes"] == []
