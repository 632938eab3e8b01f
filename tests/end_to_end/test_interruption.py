"""Whatever ends a run, what it finished is whole, and --resume does the rest (of a signal: ``test_writing.py``)."""

import csv
import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COUNT = 100


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(folder / f"{number:04d}.png")
    return folder


def sources_in(out):
    return [Path(json.loads(line)["source"]).name for line in (out / "predictions.jsonl").read_text().splitlines()]


def after_some_images(process, out):
    """Wait until the run has results, but not all of them."""
    journal = out / "predictions.jsonl"
    for _ in range(3000):
        if journal.exists() and journal.read_bytes().count(b"\n") >= 3:
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    pytest.fail("no results after 30 seconds")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_after_the_image_in_hand(command, tiny, photos, tmp_path, number, status):
    out = tmp_path / "out"
    words = ("predict", photos, "--model", tiny, "--output", out, "--save", "json,csv,coco", "--threshold", "0.6")
    process = command.start(*words)
    after_some_images(process, out)
    process.send_signal(number)
    output, complained = process.communicate(timeout=60)
    assert process.returncode == status, complained
    done = sources_in(out)
    assert 3 <= len(done) < COUNT
    assert done == [f"{n:04d}.png" for n in range(len(done))]
    assert f"{len(done)} ok, 0 failed, interrupted" in output
    assert json.loads((out / "run.json").read_text())["state"] == "interrupted"
    assert len(list((out / "json").iterdir())) == len(done)
    assert {row["source"] for row in csv.DictReader((out / "predictions.csv").read_text().splitlines())} <= {
        str(photos / name) for name in done
    }
    json.loads((out / "coco_results.json").read_text())


def test_a_killed_run_loses_at_most_the_image_in_hand(command, tiny, photos, tmp_path):
    out = tmp_path / "out"
    words = ("predict", photos, "--model", tiny, "--output", out, "--save", "json")
    process = command.start(*words)
    after_some_images(process, out)
    process.kill()
    process.communicate(timeout=60)
    done = (out / "predictions.jsonl").read_bytes().count(b"\n")
    again = command(*words, "--resume")
    assert again.returncode == 0, again.stderr
    assert f"{COUNT - done} ok, 0 failed, {done} done before" in again.stdout
    assert sources_in(out) == [f"{n:04d}.png" for n in range(COUNT)]
    assert len([path for path in (out / "json").iterdir() if not path.name.startswith(".")]) == COUNT
    assert json.loads((out / "run.json").read_text())["state"] == "complete"


def test_json_on_stdout_is_whole_after_an_interruption(command, tiny, photos):
    process = command.start("predict", photos, "--model", tiny, "--json")
    with process.stdout, process.stderr:
        output = process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output = json.loads(output + process.stdout.read())
    assert process.wait(timeout=60) == 130
    assert output["interrupted"]
    assert 1 <= output["counts"]["ok"] == len(output["results"]) < COUNT


def test_a_reader_that_goes_away_ends_the_run_quietly(command, tiny, photos):
    process = command.start("predict", photos, "--model", tiny, "--json")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
