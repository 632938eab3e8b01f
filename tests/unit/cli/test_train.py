import json
from dataclasses import asdict, fields
from typing import get_args, get_type_hints

import pytest

from condetr.cli.train_settings import NetworkSettings, TrainSettings
from condetr.data.scene_folder import write_scenes
from condetr.model.config import DetectorConfig
from condetr.training.settings import TrainingSettings

SMALL = """
epochs: 1
batch: 4
workers: 0
image_size: 64
device: cpu
network:
  num_queries: 10
  d_model: 16
  encoder_layers: 1
  decoder_layers: 2
  encoder_attention_heads: 2
  decoder_attention_heads: 2
  encoder_ffn_dim: 16
  decoder_ffn_dim: 16
  backbone: {block: basic, depths: [1, 1], widths: [8, 16], stem_widths: [8]}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(folder, train=8, val=4)
    return folder


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path / "small.yaml"


def test_every_setting_of_training_can_be_given():
    ours, theirs = (get_type_hints(kind, include_extras=True) for kind in (TrainSettings, TrainingSettings))
    defaults = {spec.name: spec.default for spec in fields(TrainSettings)}
    assert theirs.keys() <= ours.keys()
    for spec in fields(TrainingSettings):
        if spec.name not in ("freeze", "seed", "costs", "weights"):
            assert get_args(ours[spec.name])[1] == get_args(theirs[spec.name])[1]
            assert defaults[spec.name] == spec.default
    assert TrainSettings(model="x").training() == TrainingSettings()
    assert TrainSettings().training() == TrainingSettings(freeze=())
    assert TrainSettings(batch="4").training().batch == 4
    assert TrainSettings(batch="auto").training().batch == "auto"


def test_the_network_is_the_papers_unless_told_otherwise():
    assert NetworkSettings().config(7) == DetectorConfig(num_labels=7)
    left_out = asdict(DetectorConfig()).keys() - asdict(NetworkSettings()).keys()
    assert left_out == {"num_labels", "carry_norm"}


def test_a_run_and_going_on_with_it(condetr_json, condetr, data, small, tmp_path):
    status, said, err = condetr_json("train", data, "--config", small, "--output", "run")
    assert status == 0
    assert (said["model"], said["progress"]["step"]) == ("run/best", 2)
    assert "ap50" in said["metrics"]
    assert "begins with a new network" in err
    assert "epoch 1: loss" in err

    status, _, err = condetr("train", data, "--config", small, "--output", "run")
    assert (status, "--resume goes on with it" in err) == (2, True)
    status, said, err = condetr_json(
        "train", data, "--config", small, "--output", "run", "--resume", "--epochs", "2", "--seed", "0"
    )
    assert (status, said["progress"]["step"]) == (0, 4)
    assert "going on from step-" in err

    status, out, _ = condetr(
        "train", data, "--model", "run", "--epochs", "1", "--batch", "4", "--workers", "0", "--device", "cpu", "-q"
    )
    assert status == 0
    assert "best in runs/train/best\n" in out
    assert json.loads((tmp_path / "runs/train/best/config.json").read_text())["d_model"] == 16
    settings = tmp_path / "runs/train/config.yaml"
    assert condetr("train", data, "--config", settings, "--model", "run", "--device", "cpu", "-q")[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--resume"], "--resume: needs the folder to go on with"),
        (["--resume", "--output", "nothing"], "there is no run to resume here"),
        (["--batch", "many"], "--batch: is 'many', expected a whole number or auto"),
        (["--lr", "-1"], "lr: is -1.0, expected a number of at least 0"),
        (["--model", "x", "--set", "network.d_model=32"], "cannot be combined with model"),
        (["--set", "network.d_modl=32"], "the nearest is network.d_model"),
        (["--set", "network.d_model=33"], "network.d_model: is 33, expected an even number"),
        (["--set", "network.backbone.depths=[0,1,1,1]"], "network.backbone.depths"),
    ],
)
def test_what_cannot_be(condetr, data, words, says):
    status, out, err = condetr("train", data, *words)
    assert (status, out) == (2, "")
    assert says in err


def test_data_that_cannot_be_used(condetr, small, tmp_path):
    assert condetr("train", "nowhere", "--config", small)[0] == 3
    (tmp_path / "empty").mkdir()
    assert condetr("train", "empty", "--config", small)[0] == 3
