"""Parts that are frozen for the first steps of a run."""

import copy

import pytest
import torch

from condetr.checkpoints.safetensors_file import read_safetensors
from condetr.core.errors import SettingsError
from condetr.training.processes import Processes
from condetr.training.run.events import Noted, Warned
from condetr.training.settings import TrainingSettings
from condetr.training.train_state import build_train_state
from tests.unit.training.networks import tiny_detector
from tests.unit.training.runs import StoppedError, small_run, state_of, stopping_at
from tests.unit.training.scenes import write_scenes

QUICK = {"query_groups": 1, "accumulate": 1, "batch": 2, "save_every": 1}  # three steps an epoch


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 6)


@pytest.mark.parametrize(("steps", "is_frozen"), [(3, True), (2, False)])
def test_frozen_parts_are_trained_once_their_steps_are_over(tmp_path, scenes, steps, is_frozen):
    said, detector = [], tiny_detector()
    before = copy.deepcopy(detector.state_dict())
    options = QUICK | {"freeze": ("backbone",), "freeze_steps": steps, "epochs": 1}
    small_run(tmp_path, scenes, detector=detector, say=said.append, **options)
    same = {name for name, tensor in detector.state_dict().items() if torch.equal(tensor, before[name])}
    trained = {name for name, _ in detector.body.backbone.named_parameters(prefix="body.backbone")}
    assert (trained <= same) is is_frozen
    assert (trained & same == set()) is not is_frozen
    assert (Noted("step 2: no longer frozen: backbone") in said) is not is_frozen
    moments = read_safetensors(tmp_path / "checkpoints/step-3/optimiser.safetensors")
    counts = {name.partition("/")[2]: int(count) for name, count in moments.items() if name.startswith("step/")}
    of_backbone = {count for name, count in counts.items() if "body.backbone." in name}
    assert of_backbone == (set() if is_frozen else {1})
    assert {count for name, count in counts.items() if "body.encoder." in name} == {3}


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 3])
def test_a_run_resumes_bit_by_bit_before_and_after(tmp_path, scenes, stop):
    options = QUICK | {"freeze": ("backbone", "encoder"), "freeze_steps": 2, "epochs": 2}
    small_run(tmp_path / "whole", scenes, **options)
    with pytest.raises(StoppedError):
        small_run(tmp_path / "parts", scenes, say=stopping_at(stop), **options)
    small_run(tmp_path / "parts", scenes, resume=True, **options)
    assert state_of(tmp_path / "parts") == state_of(tmp_path / "whole")
    small_run(tmp_path / "never", scenes, **(options | {"freeze_steps": 0}))
    assert state_of(tmp_path / "never") != state_of(tmp_path / "whole")


def test_a_backbone_without_a_learning_rate_stays_frozen():
    settings = TrainingSettings(lr_backbone=0.0, freeze=("early", "encoder"), freeze_steps=5)
    state = build_train_state(tiny_detector(), settings, Processes("cpu"))
    body = state.supervised.detector.body
    assert len(state.frozen) == len(list(body.encoder.parameters()))
    state.unfreeze()
    assert all(parameter.requires_grad for parameter in body.encoder.parameters())
    assert not any(parameter.requires_grad for parameter in body.backbone.parameters())


def test_memory_is_measured_as_if_all_were_trained():
    settings = TrainingSettings(freeze=("backbone",), freeze_steps=5)
    state = build_train_state(tiny_detector(), settings, Processes("cpu"))
    parameters = list(state.supervised.detector.body.backbone.parameters())
    with state.all_trained():
        assert all(parameter.requires_grad for parameter in parameters)
    assert not any(parameter.requires_grad for parameter in parameters)


def test_something_must_be_trained_meanwhile():
    settings = TrainingSettings(freeze=("detector",), freeze_steps=5)
    with pytest.raises(SettingsError, match="every part is frozen for 5 steps"):
        build_train_state(tiny_detector(), settings, Processes("cpu"))


def test_nothing_to_unfreeze_is_reported(tmp_path, scenes):
    said = []
    small_run(tmp_path, scenes, say=said.append, **(QUICK | {"freeze_steps": 2, "epochs": 1}))
    assert Warned("freeze_steps has no effect: nothing is frozen") in said
