import pytest
import yaml

from condetr.cli.settings.settings_tree import read_settings
from condetr.core.errors import SettingsError
from condetr.matching.matching_costs import MatchingCosts
from condetr.training.settings import TrainingSettings, replaced


def test_the_defaults_are_the_recipe_of_the_paper():
    paper = TrainingSettings()
    assert (paper.epochs, paper.batch, paper.clip) == (50, 2, 0.1)
    assert (paper.lr, paper.lr_backbone, paper.weight_decay) == (1e-4, 1e-5, 1e-4)
    assert (paper.schedule, paper.decay_begins * paper.epochs) == ("step", 40)
    assert (paper.augment, paper.freeze, paper.query_groups, paper.ema) == ("detr", ("early",), 1, 0.0)
    assert (paper.iou_aware, paper.one_to_many, paper.dense_aux, paper.teacher) == (0, 0, 0, None)


def test_the_command_line_can_say_everything():
    given = ["lr=1e-3", "freeze=[]", "batch=auto", "costs.giou=1.5", "schedule=linear", "log=[tensorboard]"]
    settings = read_settings(TrainingSettings, overrides=given, flags={"ema": 0.99})
    assert (settings.lr, settings.freeze, settings.batch, settings.ema) == (1e-3, (), "auto", 0.99)
    assert (settings.costs.giou, settings.decay_begins, settings.log) == (1.5, 0.0, ("tensorboard",))
    assert read_settings(TrainingSettings, overrides=["batch=4"]).batch == 4


@pytest.mark.parametrize(
    "wrong",
    [
        "epochs=0",
        "steps=0",
        "batch=0",
        "lr=-1.0",
        "lr=.nan",
        "ema=1.0",
        "decay_at=1.0",
        "flip=1.5",
        "flip_vertical=-0.1",
        "min_visibility=2",
        "clip=-0.1",
        "patience=-1",
        "image_size=0",
        "augment=wild",
        "schedule=random",
        "precision=int8",
        "freeze=[neck]",
        "non_finite=ignore",
        "one_to_many=-1",
        "dense_aux=-0.5",
        "teacher_weight=-1.0",
        "freeze_steps=-1",
        "dense_until=0.0",
        "dense_until=1.5",
        "iou_aware=1.5",
        "iou_aware=.nan",
    ],
)
def test_what_makes_no_sense_is_refused_by_name(wrong):
    with pytest.raises(SettingsError) as caught:
        read_settings(TrainingSettings, overrides=[wrong])
    assert caught.value.item.startswith(wrong.split("=")[0])


def test_they_come_back_from_json_as_they_went():
    stored = TrainingSettings(freeze=("early", "head")).to_dict()
    assert stored["freeze"] == ["early", "head"]
    assert stored["costs"] == {"classes": 2.0, "boxes": 5.0, "giou": 2.0}


@pytest.mark.parametrize("nothing", [(), [], "none", None])
def test_nothing_is_frozen(nothing):
    assert TrainingSettings.from_dict({"freeze": nothing}).freeze == ()


def test_settings_come_back_from_plain_values():
    settings = TrainingSettings(freeze=("head",), log=("tensorboard",), costs=MatchingCosts(boxes=7.0), flip=0.0)
    assert TrainingSettings.from_dict(settings.to_dict() | {"model": "x"}) == settings


@pytest.mark.parametrize(
    ("file", "flags", "expected"),
    [
        ("steps: 300", {"epochs": 3}, (3, None)),
        ("epochs: 100", {"steps": 300}, (50, 300)),
        ("epochs: 7\nsteps: 300", {}, (7, 300)),
        ("epochs: 7\nsteps: null", {"lr": 0.1}, (7, None)),
    ],
)
def test_epochs_stand_for_the_steps_of_a_file_and_steps_for_its_epochs(tmp_path, file, flags, expected):
    (tmp_path / "run.yaml").write_text(file)
    settings = read_settings(TrainingSettings, file=tmp_path / "run.yaml", flags=flags)
    assert (settings.epochs, settings.steps) == expected
    named = replaced(yaml.safe_load(file), flags)
    assert TrainingSettings.from_dict(named) == settings


def test_epochs_and_steps_on_one_line_contradict_each_other():
    with pytest.raises(SettingsError, match="--epochs: cannot be combined with --steps"):
        read_settings(TrainingSettings, flags={"epochs": 3, "steps": 5})
