import json
import signal
import warnings

import numpy as np
import pytest
from PIL import Image

from condetr.checkpoints.saving import save
from condetr.cli.main import run
from tests.tiny import LABELS, PREPROCESSING, tiny_detector


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    save(folder, tiny_detector(), LABELS, preprocessing=PREPROCESSING.to_dict())
    return folder


@pytest.fixture
def photos(tmp_path):
    """Three good images and two bad ones."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    (folder / "bad1.jpg").write_bytes(b"<html>")
    (folder / "bad2.png").touch()
    return folder


@pytest.fixture
def condetr(capsys, monkeypatch, tmp_path):
    """Runs one command line in a folder of its own; gives its exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    handler = signal.getsignal(signal.SIGTERM)

    def call(*words):
        status = run([str(word) for word in words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def condetr_json(condetr):
    """The same with --json, and stdout read as one document."""

    def call(*words):
        status, out, err = condetr(*words, "--json")
        return status, json.loads(out), err

    return call
