import sys
from pathlib import Path

import pytest
import yaml

from condetr.cli.settings.settings_tree import read_settings
from condetr.cli.settings.train_settings import TrainSettings
from condetr.cli.settings.tune_settings import TuneSettings
from condetr.data.demo.scene_folder import write_scenes
from tests.unit.cli.commands.test_train import SMALL

SEARCH = ("--search", "lr,ema", "--minutes", 30)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(folder, train=4, val=2)
    return folder


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path / "small.yaml"


def test_a_search_trains_and_writes_settings_that_train_reads(condetr_json, data, small):
    pytest.importorskip("optuna")
    words = ("tune", data, "--config", small, *SEARCH, "--output", "study")
    status, answer, _ = condetr_json(*words, "--trials", 2)
    assert status == 0
    assert answer["trials"] == {"finished": 2, "ended early": 0, "failed": 0}
    settings = yaml.safe_load(Path(answer["best"]).read_text())
    assert settings == answer["settings"]
    assert {"lr", "ema", "batch", "image_size"} <= settings.keys()
    assert (settings["batch"], settings["image_size"]) == (4, 64), "what is chosen is not searched"
    status, more, _ = condetr_json(*words, "--trials", 3, "--resume")
    assert (status, more["trials"]["finished"] + more["trials"]["ended early"]) == (0, 3)
    again, begun = read_settings(TrainSettings, file=Path(answer["best"])), read_settings(TrainSettings, file=small)
    assert (again.lr, again.network.config()) == (settings["lr"], begun.network.config())


def test_a_missing_extra_is_named_before_anything_else(condetr, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    status, _, err = condetr("tune", data, "--minutes", 1, "--output", "study")
    assert status == 7
    assert 'pip install "condetr[tune]"' in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "minutes: is required"),
        (("--minutes", 0), "--minutes: is 0.0, expected a number above 0"),
        (("--minutes", 1, "--trials", 0), "--trials: is 0, expected at least 1"),
        (("--minutes", 1, "--search", "lr,depth"), "--search: is 'lr,depth', expected a list, each one of lr"),
        (("--minutes", 1, "--resume"), "needs the folder"),
    ],
)
def test_impossible_searches_are_refused(condetr, data, words, expected):
    status, _, err = condetr("tune", data, *words)
    assert status == 2
    assert expected in err


def test_what_differs_from_the_defaults_is_chosen():
    settings = read_settings(TuneSettings, flags={"minutes": 5.0, "lr": 1e-3, "seed": 3, "epochs": 50})
    assert settings.chosen() == {"lr": 1e-3, "seed": 3}
