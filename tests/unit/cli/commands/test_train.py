import json
import shutil
from dataclasses import asdict, fields, replace
from functools import partial

import pytest
import torch
import yaml
from safetensors.torch import save_file

from condetr.bundled import DIGITS, FOLDER, RECIPES
from condetr.checkpoints.loading import load
from condetr.checkpoints.saving import save
from condetr.cli.settings.backbone_settings import BackboneSettings
from condetr.cli.settings.network_settings import NetworkSettings
from condetr.cli.settings.recipe import description_of, recipe_file
from condetr.cli.settings.settings_tree import read_settings
from condetr.cli.settings.train_settings import TrainSettings
from condetr.core.errors import SettingsError
from condetr.data.demo.scene_folder import write_scenes
from condetr.matching.matching_costs import MatchingCosts
from condetr.model.backbone import early_layers
from condetr.model.config import DetectorConfig, NetworkConfig
from condetr.model.resnet_names import RESNETS
from condetr.training.initial_model import InitialModel
from condetr.training.run.checkpointing import MANIFEST, STATE, contents_of
from condetr.training.settings import TrainingSettings
from condetr.workflows.defaults import CHOSEN
from condetr.workflows.training import settings_of
from tests.scramble import scramble
from tests.tiny import LABELS, tiny_detector

SMALL = """
epochs: 1
batch: 4
evaluate_every: 1
pretrain_backbone: 0
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
    ours, theirs = ({spec.name: spec for spec in fields(kind)} for kind in (TrainSettings, TrainingSettings))
    assert theirs.keys() <= ours.keys()
    for name in theirs.keys() - {"freeze", "lr_backbone", "seed"}:
        assert (ours[name].type, ours[name].default) == (theirs[name].type, theirs[name].default)
    assert read_settings(TrainSettings, flags={"model": "x"}).named_training() == {}
    named = read_settings(TrainSettings, flags={"lr": 0.01}, overrides=["costs.giou=3", "freeze=[]", "steps=null"])
    costs = MatchingCosts(giou=3.0)
    assert named.named_training() == {"lr": 0.01, "costs": costs, "freeze": (), "steps": None}
    assert named.training() == TrainingSettings(lr=0.01, lr_backbone=0.01, costs=costs, freeze=())
    assert read_settings(TrainSettings, flags={"batch": "4"}).training().batch == 4
    assert read_settings(TrainSettings, flags={"batch": "auto"}).training().batch == "auto"


@pytest.mark.parametrize("nothing", ["freeze=none", "freeze=[]", "freeze=null"])
def test_nothing_is_frozen_where_that_is_asked(nothing, tmp_path):
    (tmp_path / "x.yaml").write_text(nothing.replace("=", ": "))
    for settings in (
        read_settings(TrainSettings, overrides=["model=x", nothing]),
        read_settings(TrainSettings, overrides=["model=x"], file=tmp_path / "x.yaml"),
        read_settings(TrainSettings, flags={"model": "x", "freeze": "none"}),
    ):
        assert settings.training().freeze == ()
    assert read_settings(TrainSettings, flags={"freeze": "early,head"}).training().freeze == ("early", "head")


def test_every_offer_of_an_error_is_accepted(condetr, data):
    for words in (["--freeze", "neck"], ["--set", "freeze=neck"]):
        status, _, err = condetr("train", data, *words)
        assert status == 2
        assert "or one of auto, none or nothing (null)" in err


def test_a_backbone_by_name(tmp_path):
    (tmp_path / "x.yaml").write_text("network:\n  backbone: {name: resnet18d, weights: x.pth, output_stride: 16}")
    for settings in (
        read_settings(TrainSettings, file=tmp_path / "x.yaml"),
        read_settings(
            TrainSettings,
            overrides=["network.backbone.output_stride=16"],
            flags={"network.backbone.name": "resnet18d", "network.backbone.weights": "x.pth"},
        ),
    ):
        assert settings.network.config().backbone == replace(RESNETS["resnet18d"], output_stride=16)
        assert settings.training() == TrainingSettings(), "of pretrained backbones, as in the paper"
        stored = tmp_path / "stored.yaml"
        stored.write_text(yaml.safe_dump({"network": settings.network.stored()}))
        assert settings.network.stored()["backbone"] == {"name": "resnet18d", "weights": "x.pth", "output_stride": 16}
        assert read_settings(TrainSettings, file=stored).network.config() == settings.network.config()
    for nothing in ("none", None):
        plain = TrainSettings(network=NetworkSettings(backbone=BackboneSettings(name="resnet18", weights=nothing)))
        assert plain.training().freeze == ()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--backbone", "resnet5"], 2, "backbone: timm has no architecture 'resnet5'"),
        (["--backbone-weights", "nowhere.pth"], 2, "--backbone-weights: is nowhere.pth, which does not exist"),
        (
            ["--backbone", "resnet18", "--set", "network.backbone.depths=[1,1,1,1]"],
            2,
            "--backbone: is 'resnet18', which already decides depths (give a name or a description)",
        ),
        (["--backbone-weights", "imagenet", "--model", "x"], 2, "cannot be combined with model (leave out backbone"),
        (
            ["--backbone", "resnet18", "--model", "x", "--set", "network.d_model=64"],
            2,
            "cannot be combined with model (leave out d_model; only num_queries and a named backbone can change",
        ),
        (
            ["--backbone", "test_resnet", "--set", "network.backbone.out_indices=[2,1]"],
            2,
            "out_indices: is [2, 1], expected ascending numbers of its stages, 0 to 4",
        ),
        (["--set", "network.backbone.out_indices=[0]"], 2, "out_indices: is for a backbone of timm by its name"),
    ],
)
def test_backbones_that_cannot_be(condetr, data, words, status, says):
    answer = condetr("train", data, *words)
    assert (answer[0], says in answer[2]) == (status, True), answer[2]


@pytest.mark.slow
def test_a_model_on_another_backbone(condetr_json, data, small, tmp_path):
    """Its transformer stays; the run is resumed without the weights of the backbone."""
    timm = pytest.importorskip("timm")
    save(tmp_path / "model", tiny_detector(), LABELS)
    save_file(scramble(timm.create_model("test_byobnet")).state_dict(), tmp_path / "w.safetensors")
    words = ("--backbone", "test_byobnet", "--backbone-weights", "w.safetensors")
    stages = ("--set", "network.backbone.out_indices=[0,1,2]")
    once = ("--steps", 2, "--batch", 2, "--workers", 0, "--lr-backbone", 0, "--output", "run", "--device", "cpu")
    status, said, err = condetr_json("train", data, "--model", "model", *words, *stages, *once)
    assert (status, said["progress"]["step"]) == (0, 2), err
    assert "another backbone; freshly initialized beside it: body.input_projection.weight" in err
    trained = load(tmp_path / "run/last").detector
    assert trained.config.backbone.out_indices == (0, 1, 2)
    begun = InitialModel.from_checkpoint(str(tmp_path / "model"), classes=["x"], task="detect")
    begun = begun.with_backbone(trained.config.backbone, {}, weights=tmp_path / "w.safetensors")
    for name, weight in begun.detector.body.backbone.named_parameters():
        assert torch.equal(weight, trained.body.backbone.get_parameter(name)), name
    (tmp_path / "w.safetensors").unlink()
    again = condetr_json("train", data, "--output", "run", "--resume", "--steps", 3, "--device", "cpu")
    assert (again[0], again[1]["progress"]["step"]) == (0, 3), again[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_byobnet", "resnet10t"])
def test_a_pretrained_backbone_is_fine_tuned(condetr_json, data, small, tmp_path, name):
    """Mean and standard deviation of its images are used; the stem and first stage stay."""
    timm = pytest.importorskip("timm")
    settings = yaml.safe_load(SMALL)
    del settings["network"]["backbone"]
    small.write_text(yaml.safe_dump(settings))
    classifier = scramble(timm.create_model(name))
    (tmp_path / "w").mkdir()
    save_file(classifier.state_dict(), tmp_path / "w/model.safetensors")
    (tmp_path / "w/config.json").write_text(json.dumps({"pretrained_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}))
    words = ("train", data, "--config", small, "--output", "run", "--backbone", name, "--backbone-weights", "w")
    status, said, err = condetr_json(*words, "--lr-backbone", "1e-3")
    assert (status, said["progress"]["step"]) == (0, 2), err
    assert "only the backbone has pretrained weights" in err
    assert "backbone weights: w, for images with mean (0.5, 0.5, 0.5) and std (0.25, 0.25, 0.25)" in err
    assert "left out of them, behind the last stage:" in err
    stored = json.loads((tmp_path / "run/last/preprocessor_config.json").read_text())
    assert (stored["image_mean"], stored["image_std"]) == ([0.5] * 3, [0.25] * 3)
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    assert (config["freeze"], config["network"]["backbone"]["weights"]) == (["early"], "w")

    trained = load(tmp_path / "run/last").detector
    begun = InitialModel.from_config(trained.config, task="detect", origin={}, backbone_weights=tmp_path / "w")
    before, after = (network.body.backbone for network in (begun.detector, trained))
    early = set(early_layers(after))
    same = {key for key, weight in before.named_parameters() if torch.equal(weight, after.get_parameter(key))}
    assert early
    assert same == early
    again = condetr_json("train", data, "--output", "run", "--resume", "--epochs", "2", "--device", "cpu")
    assert (again[0], again[1]["progress"]["step"]) == (0, 4), again[2]


def test_the_network_is_the_papers_unless_told_otherwise():
    assert NetworkConfig().with_classes(7) == DetectorConfig(num_labels=7)
    left_out = asdict(DetectorConfig()).keys() - asdict(NetworkConfig()).keys()
    assert left_out == {"num_labels", "carry_norm", "masks_in_boxes"}


@pytest.mark.slow
def test_a_run_goes_on_as_it_began(condetr_json, condetr, data, small, tmp_path):
    status, said, err = condetr_json("train", data, "--config", small, "--output", "run")
    assert status == 0
    assert (said["model"], said["progress"]["step"]) == ("run/best", 2)
    assert "ap50" in said["metrics"]
    assert "chosen for 8 images of about 96x96 pixels" in err
    assert "random weights and cpu" in err
    assert "lr 0.0007" in err
    assert "flip 0" in err, "the classes are digits"
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    assert (config["batch"], config["lr"], config["epochs"], config["minutes"]) == (4, 7e-4, 1, None)
    assert "epoch 1: loss" in err

    status, _, err = condetr("train", data, "--config", small, "--output", "run")
    assert (status, "--resume continues it" in err) == (2, True)
    again = ("train", data, "--output", "run", "--resume", "--device", "cpu")
    status, said, err = condetr_json(*again, "--epochs", "2")
    assert (status, said["progress"]["step"]) == (0, 4)
    assert "resuming from step-2" in err
    assert "epochs changes from 1 to 2" in err
    assert "chosen" not in err
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["network"]["d_model"] == 16

    status, said, err = condetr_json(*again, "--config", small, "--epochs", "3")
    assert (status, said["progress"]["step"]) == (0, 6)
    for words, says in {
        ("--set", "network.d_model=32"): "network: is not what the run began with: d_model 32 for 16",
        ("--split", "val"): "split: is val, but the run began with None",
        ("--model", "run"): "model: is run, but the run began with none",
        ("--seed", "1"): "seed: is 1, but the run began with 0",
    }.items():
        status, _, err = condetr(*again, *words)
        assert (status, says in err) == (2, True), err
    for file, whole, damaged, says in (
        (
            "config.json",
            '"dropout": 0.1',
            '"dropout": 0.3',
            "dropout of the network is 0.3, but the run began with 0.1",
        ),
        ("preprocessor_config.json", "0.485", "0.465", "image_mean of the preprocessing is [0.465,"),
    ):
        path = tmp_path / "run/last" / file
        text = path.read_text()
        path.write_text(text.replace(whole, damaged))
        status, _, err = condetr(*again)
        assert (status, says in err, f"last/{file}" in err) == (5, True, True), err
        path.write_text(text)
    assert condetr(*again, "--image-size", "96")[0] == 0


def _as_formerly_stored(run):
    """Rewrite a run folder under the names that its settings had before, without one that is new."""
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("pretrain_backbone:", "naming:").replace("masks_in_boxes: null\n", ""))
    for step in run.glob("checkpoints/step-*"):
        state = json.loads((step / STATE).read_text())
        settings, backbone = state["settings"], state["network"]["backbone"]
        settings["naming"], backbone["colours"] = settings.pop("pretrain_backbone"), backbone.pop("in_channels")
        del settings["masks_in_boxes"], state["network"]["masks_in_boxes"]
        (step / STATE).write_text(json.dumps(state))
        manifest = json.loads((step / MANIFEST).read_text())
        (step / MANIFEST).write_text(json.dumps(manifest | {"files": contents_of(step)}))


@pytest.mark.slow
def test_a_run_stored_under_former_names_resumes(condetr_json, condetr, data, small, tmp_path):
    begun = ("train", data, "--config", small, "--output", "run", "-q")
    assert condetr(*begun, "--pretrain-backbone-steps", "2")[0] == 0
    _as_formerly_stored(tmp_path / "run")
    assert "naming: 2" in (tmp_path / "run/config.yaml").read_text()
    status, said, err = condetr_json("train", data, "--output", "run", "--resume", "--epochs", "2", "--device", "cpu")
    assert (status, said["progress"]["step"]) == (0, 4), err
    assert "epochs changes from 1 to 2" in err
    assert "pretrain" not in err
    assert "in_channels" not in err
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    assert (config["pretrain_backbone"], "naming" in config) == (2, False)
    assert settings_of({"naming": 3}, tmp_path / "run")["pretrain_backbone"] == 3


def test_a_recipe_and_a_flag_under_the_former_name(tmp_path, condetr, data):
    (tmp_path / "old.yaml").write_text("naming: 7\nnetwork:\n  backbone: {colours: 3, depths: [1, 1, 1, 1]}")
    old = read_settings(TrainSettings, file=tmp_path / "old.yaml")
    assert (old.pretrain_backbone, old.network.backbone.in_channels) == (7, 3)
    assert old.network.backbone.depths == (1, 1, 1, 1)
    assert read_settings(TrainSettings, overrides=["naming=8"]).pretrain_backbone == 8
    for flag in ("--naming", "--pretrain-backbone-steps"):
        status, _, err = condetr("train", data, flag, "-1")
        assert (status, "--pretrain-backbone-steps: is -1, expected a number of at least 0" in err) == (2, True), err


@pytest.mark.slow
def test_a_run_that_began_with_a_model_needs_it_no_more(condetr_json, condetr, data, small, tmp_path):
    assert condetr("train", data, "--config", small, "--output", "first")[0] == 0
    begun = ("train", data, "--model", "first", "--batch", "4", "--workers", "0", "--device", "cpu")
    status, out, err = condetr(*begun, "--epochs", "1")
    assert (status, "\nruns/train/best\n" in out) == (0, True)
    assert "the backbone has random weights" not in err
    config = yaml.safe_load((tmp_path / "runs/train/config.yaml").read_text())
    assert (config["model"], config["lr_backbone"], config["freeze"]) == ("first", 1e-4, [])
    assert "network" not in config

    (tmp_path / "first").rename(tmp_path / "elsewhere")
    again = ("train", data, "--output", "runs/train", "--resume", "--epochs", "2", "--device", "cpu")
    status, said, err = condetr_json(*again)
    assert (status, said["progress"]["step"]) == (0, 4), err
    status, _, err = condetr(*again, "--model", "elsewhere")
    assert (status, "model: is elsewhere, but the run began with first" in err) == (2, True)

    (tmp_path / "elsewhere").rename(tmp_path / "first")
    assert condetr("train", data, "--config", "runs/train/config.yaml", "--device", "cpu", "-q")[0] == 0
    assert (tmp_path / "runs/train-2/best").is_dir()


@pytest.mark.slow
def test_more_queries_beside_a_model(condetr_json, condetr, data, model, tmp_path):
    (tmp_path / "more.yaml").write_text("network: {num_queries: 31}")
    begun = ("train", data, "--model", model, "--batch", "4", "--workers", "0", "--image-size", "64", "--device", "cpu")
    status, said, err = condetr_json(*begun, "--config", "more.yaml", "--epochs", "1")
    assert (status, "object queries: 31, repeated with noise from 20" in err) == (0, True), err
    for kept in ("last", "best"):
        assert json.loads((tmp_path / "runs/train" / kept / "config.json").read_text())["num_queries"] == 31
    config = yaml.safe_load((tmp_path / "runs/train/config.yaml").read_text())
    assert (config["model"], config["network"]) == (str(model), {"num_queries": 31})

    again = ("train", data, "--output", "runs/train", "--resume", "--epochs", "2", "--device", "cpu")
    status, _, err = condetr(*again, "--set", "network.num_queries=12")
    assert (status, "is not what the run began with: num_queries 12 for 31" in err) == (2, True), err
    shutil.rmtree(tmp_path / "runs/train/last")  # the network is built as the run began, with random numbers replaced
    status, said, err = condetr_json(*again)
    assert (status, said["progress"]["step"]) == (0, 4), err
    assert json.loads((tmp_path / "runs/train/last/config.json").read_text())["num_queries"] == 31
    status, _, err = condetr("train", data, "--config", "runs/train/config.yaml", "--output", "other", "-q")
    assert (status, yaml.safe_load((tmp_path / "other/config.yaml").read_text())["network"]) == (0, {"num_queries": 31})


@pytest.fixture
def at_hand(monkeypatch):
    """What is at hand to begin with, whatever else this machine has: the digits of the package."""
    monkeypatch.setattr("condetr.workflows.start_model.is_cached", lambda name: False)
    monkeypatch.setattr("condetr.workflows.start_model.bundled_models", lambda: {DIGITS: FOLDER})


@pytest.mark.slow
def test_a_run_without_a_model_begins_with_the_best_at_hand(condetr_json, condetr, data, at_hand, tmp_path):
    quick = ("--batch", "4", "--workers", "0", "--epochs", "1", "--device", "cpu")
    status, said, err = condetr_json("train", data, *quick)
    assert status == 0, err
    assert (
        "begins with condetr/digits: it is part of condetr; microsoft/conditional-detr-resnet-50 is not in the" in err
    )
    assert "--model or --size name another start, --model none random weights" in err
    assert "start model: ap 0." in err
    assert said["metrics"]["ap"] > 0.3, "of digits, with weights that know them"
    config = yaml.safe_load((tmp_path / "runs/train/config.yaml").read_text())
    assert (config["model"], config["lr_backbone"], config["freeze"]) == ("condetr/digits", 1e-4, [])
    status, _, err = condetr("train", data, "--output", "runs/train", "--resume", "--epochs", "2", "--device", "cpu")
    assert (status, "begins with" in err) == (0, False), err


@pytest.mark.slow
def test_random_weights_have_to_be_named(condetr, data, small, at_hand, tmp_path, monkeypatch):
    assert condetr("train", data, "--config", small, "--output", "small")[0] == 0, "a network that is described"
    config = yaml.safe_load((tmp_path / "small/config.yaml").read_text())
    assert (config["model"], config["network"]["d_model"], config["freeze"]) == ("none", 16, [])
    again = ("train", data, "--output", "small", "--resume", "--epochs", "2", "--device", "cpu")
    config.pop("model")  # as earlier versions stored it
    (tmp_path / "small/config.yaml").write_text(yaml.safe_dump(config))
    assert condetr(*again, "--model", "none")[0] == 0

    tiny = read_settings(TrainSettings, file=small).network.config()
    monkeypatch.setattr("condetr.workflows.start_model.network_of_size", {"nano": tiny}.get)
    sized = ("--model", "none", "--size", "nano", "--set", "network.num_queries=7")
    quick = ("--batch", "4", "--workers", "0", "--epochs", "1", "--image-size", "64", "--device", "cpu")
    status, _, err = condetr("train", data, *sized, *quick, "--output", "sized")
    assert (status, "training from random weights" in err) == (0, True), err
    config = yaml.safe_load((tmp_path / "sized/config.yaml").read_text())
    assert (config["model"], config["size"], config["network"]) == ("none", "nano", {"num_queries": 7})
    stored = json.loads((tmp_path / "sized/last/config.json").read_text())
    assert (stored["num_queries"], stored["d_model"]) == (7, 16)
    again = ("train", data, "--output", "sized", "--resume", "--epochs", "2", "--device", "cpu")
    status, _, err = condetr(*again, "--size", "small")
    assert (status, "size: is small, but the run began with nano" in err) == (2, True), err
    assert condetr(*again)[0] == 0


def test_a_size_excludes_other_descriptions(condetr, data, at_hand):
    for words, says in {
        ("--size", "tiny"): "--size: is 'tiny', expected one of nano, small, base, large",
        ("--size", "nano"): "nano needs condetr/nano, which this installation does not have (it has condetr/digits)",
        ("--size", "nano", "--model", "none"): "nano needs condetr/nano, which this installation does not have",
        ("--size", "large"): "large has no start model on the hub (--model FILE with the authors' .pth",
        ("--size", "base", "--model", "runs/mine"): "size: has a model of its own",
        (
            "--size",
            "base",
            "--set",
            "network.d_model=32",
        ): "network: is that of the size (leave out d_model, or the size)",
    }.items():
        status, out, err = condetr("train", data, *words, "--device", "cpu")
        assert (status, out, says in err) == (2, "", True), err


@pytest.mark.slow
def test_the_settings_of_a_run_are_those_of_another_like_it(condetr, data, small, tmp_path):
    words = ("train", data, "--device", "cpu", "-q")
    assert condetr(*words, "--config", small, "--validation", "none", "--output", "one")[0] == 0
    assert condetr(*words, "--config", "one/config.yaml", "--output", "other")[0] == 0
    assert (tmp_path / "one/config.yaml").read_text() == (tmp_path / "other/config.yaml").read_text()
    weights = [(tmp_path / run / "last/model.safetensors").read_bytes() for run in ("one", "other")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "one/best").exists()


def test_a_recipe_is_under_all_others(tmp_path, condetr, condetr_json, data):
    (tmp_path / "mine.yaml").write_text("epochs: 7\nlr: 0.5\nclip: 0.7\nema: 0.9\nsteps: 5")
    (tmp_path / "more.yaml").write_text("clip: 0.6\nema: 0.8")
    read = partial(read_settings, TrainSettings, file=tmp_path / "more.yaml", overrides=["ema=0.7"])
    first = read(flags={"recipe": str(tmp_path / "mine.yaml"), "epochs": 3})
    settings = read(beneath=first.beneath(), flags={"epochs": 3})
    assert (settings.lr, settings.clip, settings.ema, settings.epochs, settings.steps) == (0.5, 0.6, 0.7, 3, None)
    status, _, err = condetr("train", data, "--recipe", "coco-51e")
    assert (status, "there is no recipe 'coco-51e' (one of bccd, coco-12e-dc5-groups" in err) == (2, True), err
    assert recipe_file("coco-50e").is_file()
    assert recipe_file(str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"
    assert condetr_json("recipes")[1].keys() == RECIPES.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_can_be_read(name):
    settings = read_settings(TrainSettings, file=RECIPES[name])
    assert settings.epochs * settings.lr > 0
    assert f"--recipe {name}" in description_of(name)


def test_a_model_replaces_the_network_of_a_recipe():
    recipe = RECIPES["digits"]
    assert read_settings(TrainSettings, beneath=recipe).network.d_model == 64
    for flags in ({"model": "condetr/nano"}, {"size": "small"}):
        assert read_settings(TrainSettings, beneath=recipe, flags=flags).network == NetworkSettings()
    assert read_settings(TrainSettings, beneath=recipe, flags={"model": "none"}).network.d_model == 64
    with pytest.raises(SettingsError, match="cannot be combined with model"):
        read_settings(TrainSettings, file=recipe, flags={"model": "condetr/nano"})


def test_the_papers_recipe_is_the_papers():
    settings = read_settings(TrainSettings, file=RECIPES["coco-50e"])
    paper = TrainingSettings(accumulate="auto", reference_batch=16, decay_at=0.8, image_size=800, max_size=1333)
    assert replace(settings.training(), lr_backbone=paper.lr_backbone, freeze=paper.freeze) == paper
    assert settings.network.config() == NetworkConfig()
    assert settings.network.backbone.weights == "imagenet"
    named = settings.named_training().keys()
    assert CHOSEN - named == {"steps", "minutes", "masks_in_boxes"}, "epochs stand for these, and there are no masks"


@pytest.mark.slow
def test_resume_auto_begins_and_goes_on(condetr_json, data, small):
    command = ("train", data, "--config", small, "--output", "run", "--resume", "auto", "--steps")
    status, first, err = condetr_json(*command, "3")
    assert (status, first["progress"]["step"]) == (0, 3), err
    assert "resuming" not in err
    status, again, err = condetr_json(*command, "4")
    assert (status, again["progress"]["step"]) == (0, 4), err
    assert "resuming from step-3" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--resume", "auto"], "resume: needs the folder of the run to resume (give --output)"),
        (["--resume"], "--resume: needs the folder of the run to resume (give --output)"),
        (["--resume", "--output", "nothing"], "has no run to resume"),
        (["--batch", "many"], "--batch: is 'many', expected a whole number or auto"),
        (["--lr", "-1"], "lr: is -1.0, expected a number of at least 0"),
        (
            ["--model", "x", "--set", "network.d_model=32"],
            "with model (leave out d_model; only num_queries and a named backbone can change)",
        ),
        (["--set", "network.num_queries=0"], "network.num_queries: is 0, expected a whole number of at least 1"),
        (["--model", "x", "--set", "num_queries=9"], "condetr calls it network.num_queries"),
        (["--set", "network.d_modl=32"], "the nearest: network.d_model, "),
        (["--set", "network.d_model=33"], "network.d_model: is 33, expected an even number"),
        (["--set", "network.backbone.depths=[0,1,1,1]"], "network.backbone.depths"),
        (["--set", "network.backbone.first_stage_stride=3"], "first_stage_stride: is 3, expected one of 1, 2"),
        (["--set", "network.backbone.in_channels=1"], "network.backbone.in_channels: is 1, expected 3: images are RGB"),
        (["--set", "network.num_labels=3"], "network.num_labels: no such setting"),
        (["--set", "costs.giou=-1"], "--set costs.giou=-1: costs: expected finite costs of at least 0"),
        (["--set", "weights.alpha=2"], "weights: expected finite weights of at least 0 and alpha in [0, 1]"),
    ],
)
def test_what_cannot_be(condetr, data, words, says):
    status, out, err = condetr("train", data, *words)
    assert (status, out) == (2, "")
    assert says in err


def test_the_output_is_never_the_data(condetr, data):
    there = sorted(data.rglob("*"))
    status, _, err = condetr("train", data, "--output", data / "train/..")
    assert (status, "output: is the dataset itself" in err) == (2, True), err
    assert sorted(data.rglob("*")) == there


def test_data_or_a_model_that_cannot_be_used_leave_no_folder(condetr, data, small, tmp_path, monkeypatch):
    assert condetr("train", "nowhere", "--config", small)[0] == 2
    (tmp_path / "empty").mkdir()
    assert condetr("train", "empty", "--config", small)[0] == 3
    assert condetr("train", data, "--model", "empty")[0] == 5
    status, _, err = condetr("train", data, "--model", "empty", "--output", "small.yaml")
    assert (status, "small.yaml: output: cannot be written" in err) == (2, True), "before the model is looked at"
    with monkeypatch.context() as patched:
        patched.setattr("accelerate.tracking.get_available_trackers", list)
        status, _, err = condetr("train", "nowhere", "--log", "tensorboard")
        assert (status, 'pip install "condetr[train]"' in err) == (7, True), "before anything else"
    assert condetr("train", data, "--config", small, "--precision", "bf16")[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "small.yaml"]
