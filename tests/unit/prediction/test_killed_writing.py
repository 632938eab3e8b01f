"""kill -9 at every call of the writing thread that touches the disk, and inside the writing of journal lines."""

import json
import os
import signal
from pathlib import Path, PurePath

import pytest
import torch
from PIL import Image

from condetr.images.detections import Detections
from condetr.prediction import group_commit
from condetr.prediction.results_folder import claim
from condetr.prediction.results_log import Journal
from condetr.prediction.results_writing import ResultWriter
from condetr.prediction.sources import ImageSource
from condetr.prediction.written import written

IMAGES, GROUP = 3, 2
FORMATS = ("json", "jsonl", "yolo", "csv")
FILES_OF = {"json": ".json", "labels": ".txt"}
CALLS = [(os, "fsync"), (os, "open"), (os, "replace"), (os, "mkdir"), (Path, "write_bytes")]


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setattr(group_commit, "MOST", GROUP)
    monkeypatch.setattr(group_commit, "SECONDS", 1000)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a killed process loses nothing without it, and it is slow
    paths = [tmp_path / "in" / f"{number}.png" for number in range(IMAGES)]
    paths[0].parent.mkdir()
    for path in paths:
        Image.new("RGB", (40, 30)).save(path)
    return [ImageSource(str(path), PurePath(path.name), str(path)) for path in paths]


def found_in(image):
    box = torch.tensor([[1.0, 2.0, 11.0, 22.0]])
    score, label = torch.tensor([0.75]), torch.tensor([0])
    return Detections(boxes=box, scores=score, labels=label, names=("cat",), size=(30, 40), source=image.name)


def predict(folder, images):
    """The names of the images that had to be predicted."""
    writer = ResultWriter(folder, FORMATS, run={}, about={}, overwrite=False, labels={0: "cat"})
    with claim(folder, "resume"), writer:
        todo = [image for image in images if not writer.is_done(image)]
        list(written(((image, found_in(image)) for image in todo), writer.add))
    return [image.name for image in todo]


def predict_in_a_process(folder, images, die_at):
    """The exit status, and how many calls there were."""
    counter = folder.with_suffix(".calls")
    child = os.fork()
    if child == 0:
        try:
            counted = _die_at_call(die_at)
            predict(folder, images)
            counter.write_text(str(counted[0]))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _die_at_call(number):
    counted = [0]

    def is_due():
        counted[0] += 1
        return counted[0] == number

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def watched(call):
        def counting(*given, **named):
            if is_due():
                die()
            return call(*given, **named)

        return counting

    def half(journal, *entries):
        text = "".join(json.dumps(entry) + "\n" for entry in entries)
        is_last = is_due()
        journal._file.write(text[: len(text) - 20] if is_last else text)
        journal._file.flush()
        if is_last:
            die()

    for owner, name in CALLS:
        setattr(owner, name, watched(getattr(owner, name)))
    Journal.add = half
    return counted


def content_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "run.json"
    }


def in_journal(folder):
    journal = folder / "predictions.jsonl"
    lines = journal.read_text().splitlines(keepends=True) if journal.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def test_every_image_is_predicted_and_written_once_wherever_the_run_was_killed(images, tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    assert predict_in_a_process(whole, images, die_at=None) == 0
    calls, expected = int((tmp_path / "whole.calls").read_text()), content_of(whole)
    assert len(in_journal(whole)) == IMAGES
    lost = set()
    for number in range(1, calls + 1):
        folder = tmp_path / f"killed-{number}"
        folder.mkdir()
        assert predict_in_a_process(folder, images, die_at=number) == -signal.SIGKILL
        complete = in_journal(folder)
        for entry in complete:
            for kind, ending in FILES_OF.items():
                name = f"{kind}/{entry['output']}{ending}"
                assert (folder / name).read_bytes() == expected[name], f"{name} is not complete at call {number}"
        again = predict(folder, images)
        assert sorted([entry["source"] for entry in complete] + again) == [image.name for image in images]
        assert content_of(folder) == expected, f"after a kill at call {number} of {calls}"
        lost.add(len(again))
    assert lost == {0, 1, 2, 3}, "of a group of two, half of the lines may be written"
