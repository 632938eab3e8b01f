"""Runs with what training adds to the losses of the paper: they resume exactly and store a plain model."""

import json

import pytest
import torch

from condetr.checkpoints.loading import load
from condetr.checkpoints.safetensors_file import read_safetensors
from condetr.checkpoints.saving import save
from condetr.core.errors import SettingsError
from tests.scramble import scramble
from tests.unit.training.networks import tiny_detector
from tests.unit.training.runs import PREPROCESSING, StoppedError, small_run, state_of, stopping_at
from tests.unit.training.scenes import write_scenes

ADDED = [{"one_to_many": 2, "iou_aware": 0.75}, {"dense_aux": 1.0, "dense_until": 0.9}]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 6, empty=[0])


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    detector = scramble(tiny_detector(d_model=16, num_queries=9))
    save(
        folder := tmp_path_factory.mktemp("teacher"),
        detector,
        {0: "blue", 1: "red"},
        preprocessing=PREPROCESSING.to_dict(),
    )
    return str(folder)


@pytest.fixture(scope="module")
def state_without(tmp_path_factory, scenes):
    """Of a run to which nothing is added."""
    folder = tmp_path_factory.mktemp("without")
    small_run(folder, scenes, query_groups=1, save_every=1)
    return state_of(folder)


@pytest.mark.slow
@pytest.mark.parametrize("options", [*ADDED, {"teacher": None}], ids=str)
def test_a_run_resumes_bit_by_bit_and_stores_a_plain_model(tmp_path, scenes, teacher, options, state_without):
    if "teacher" in options:
        options = options | {"teacher": teacher}
    options = options | {"query_groups": 1, "save_every": 1}
    small_run(tmp_path / "whole", scenes, **options)
    with pytest.raises(StoppedError):
        small_run(tmp_path / "parts", scenes, say=stopping_at(4), **options)
    small_run(tmp_path / "parts", scenes, resume=True, **options)
    assert state_of(tmp_path / "parts") == state_of(tmp_path / "whole")
    assert state_without != state_of(tmp_path / "whole")
    assert load(tmp_path / "whole").detector.state_dict().keys() == tiny_detector().state_dict().keys()


def test_the_weight_of_the_dense_head_falls_to_0_and_then_it_rests(tmp_path, scenes):
    small_run(tmp_path, scenes, dense_aux=1.0, dense_until=0.5, accumulate=1, save_every=6)  # 9 steps
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss_dense" in row] == [1, 2, 3, 4, 5]
    one, other = (read_safetensors(tmp_path / f"checkpoints/step-{step}/weights.safetensors") for step in (6, 9))
    assert all(torch.equal(one[name], other[name]) for name in one if name.startswith("dense."))


@pytest.mark.parametrize(("name", "value"), [("one_to_many", 2), ("dense_aux", 2.0)])
def test_what_the_stored_state_depends_on_cannot_change(tmp_path, scenes, name, value):
    small_run(tmp_path, scenes, epochs=1)
    with pytest.raises(SettingsError, match=f"{name}: is {value}, but the run began with 0"):
        small_run(tmp_path, scenes, resume=True, epochs=2, **{name: value})
