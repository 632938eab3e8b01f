"""Runs as a person starts, stops and resumes them."""

import json
import os
import random
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch

from condetr.checkpoints.loading import load
from condetr.core.boxes import cxcywh_to_xyxy, generalized_iou
from condetr.images.decoding.decode import decode
from condetr.images.preprocessing import Preprocessing
from condetr.model.config import ResNetDescription
from condetr.training.run.events import Evaluated, Noted, Saved, Stepped, Warned
from tests.unit.training.networks import tiny_detector
from tests.unit.training.runs import small_run, state_of
from tests.unit.training.scenes import write_scenes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 10)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, scenes):
    folder = tmp_path_factory.mktemp("whole")
    small_run(folder, scenes)
    return folder


class StoppedError(Exception):
    pass


@contextmanager
def signals_raise():
    """What stands for the command line's own handlers."""

    def stop(number, frame):
        raise StoppedError(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def at_step(step, act):
    def say(event):
        if isinstance(event, Stepped) and event.step == step:
            act()

    return say


def rows_of(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "pictures_per_second"} for row in rows]


def test_eight_images_are_learned_by_heart(tmp_path):
    scenes = write_scenes(tmp_path / "scenes", 8)
    backbone = ResNetDescription(block="basic", depths=(1, 1), widths=(16, 32), stem_widths=(16,))
    torch.manual_seed(0)
    wider = {"d_model": 64, "decoder_layers": 3, "num_queries": 8, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128}
    detector = tiny_detector(backbone=backbone, dropout=0.0, **wider)
    rates = {"lr": 2e-3, "lr_backbone": 2e-3, "schedule": "linear", "decay_at": 0.6, "warmup": 10}
    plain = {"accumulate": 1, "ema": 0.0, "query_groups": 1}
    small_run(tmp_path / "run", scenes, detector=detector, overfit=8, epochs=240, batch=8, **rates, **plain)

    learned = load(tmp_path / "run").detector
    stored = json.loads((tmp_path / "run/last/preprocessor_config.json").read_text())
    batch = Preprocessing.from_dict(stored).prepare([decode(example.path) for example in scenes])
    with torch.no_grad():
        logits, boxes = learned(batch.pixels)
    for example, of_image, corners in zip(scenes, logits, cxcywh_to_xyxy(boxes) * 64, strict=True):
        best = of_image.amax(1).topk(len(example.objects)).indices
        found = {(int(of_image[query].argmax()), tuple(corners[query].tolist())) for query in best}
        for one in example.objects:
            overlaps = [
                generalized_iou(torch.tensor(box), torch.tensor(one.box)) for label, box in found if label == one.label
            ]
            assert max(overlaps, default=-1) > 0.5


@pytest.mark.parametrize("seed", range(3))
def test_a_run_stopped_at_any_step_goes_on_bit_by_bit(seed, tmp_path, scenes, uninterrupted):
    chance = random.Random(seed)
    stops = sorted(chance.sample(range(1, 9), 2))
    for number, step in enumerate(stops):
        sent = chance.choice([signal.SIGTERM, signal.SIGINT])
        with signals_raise(), pytest.raises(StoppedError, match=str(int(sent))):
            small_run(tmp_path, scenes, resume=number > 0, say=at_step(step, partial(os.kill, os.getpid(), sent)))
        assert (tmp_path / f"checkpoints/step-{step}").is_dir()
    small_run(tmp_path, scenes, resume=True)
    assert state_of(tmp_path) == state_of(uninterrupted)
    ours = torch.cat([weight.flatten() for weight in load(tmp_path).detector.parameters()])
    theirs = torch.cat([weight.flatten() for weight in load(uninterrupted).detector.parameters()])
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_is_measured_loses_nothing(sent, tmp_path, scenes, uninterrupted):
    measured = []

    def evaluate(detector, dataset):
        measured.append(1)
        if len(measured) == 2:
            os.kill(os.getpid(), sent)
        return {"ap": 0.1 * len(measured)}

    said, again = [], []
    with signals_raise(), pytest.raises(StoppedError, match=str(int(sent))):
        small_run(tmp_path, scenes, evaluate=evaluate, say=said.append)
    assert said[-1] == Noted(f"{sent.name}: saved; --resume repeats the evaluation")
    assert (tmp_path / "checkpoints/step-6").is_dir()
    small_run(tmp_path, scenes, evaluate=evaluate, resume=True, say=again.append)
    told = [type(event) for event in again if isinstance(event, Stepped | Evaluated)]
    assert told == [Evaluated, Stepped, Stepped, Stepped, Evaluated], "the evaluation is repeated, and no step"
    assert state_of(tmp_path) == state_of(uninterrupted)
    assert [row["ap"] for row in rows_of(tmp_path) if "ap" in row] == [0.1, 0.1 * 3, 0.1 * 4]


def test_a_signal_just_before_it_is_measured_is_saved_first(tmp_path, scenes):
    def interrupted_save(event):
        if isinstance(event, Saved) and event.path.name == "step-3":
            os.kill(os.getpid(), signal.SIGTERM)

    def evaluate(detector, dataset):
        pytest.fail("it was to be stopped before")

    with signals_raise(), pytest.raises(StoppedError):
        small_run(tmp_path, scenes, evaluate=evaluate, say=interrupted_save)
    assert (tmp_path / "checkpoints/step-3/manifest.json").is_file()


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes:UserWarning")  # more than cores
@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_changes_nothing(workers, tmp_path, scenes, uninterrupted):
    small_run(tmp_path, scenes, workers=workers)
    assert state_of(tmp_path) == state_of(uninterrupted)
    assert rows_of(tmp_path) == rows_of(uninterrupted)


def test_a_crash_between_two_checkpoints_repeats_what_was_lost(tmp_path, scenes, uninterrupted):
    def crash():
        raise StoppedError

    with pytest.raises(StoppedError):
        small_run(tmp_path, scenes, say=at_step(8, crash), save_every=3)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"step-3", "step-6"}
    assert max(row["step"] for row in rows_of(tmp_path)) == 7
    small_run(tmp_path, scenes, resume=True, save_every=3)
    assert state_of(tmp_path) == state_of(uninterrupted)
    assert rows_of(tmp_path) == rows_of(uninterrupted), "rows of lost steps are there once"


def test_a_damaged_checkpoint_is_passed_over(tmp_path, scenes, uninterrupted):
    small_run(tmp_path, scenes, save_every=4)
    newest = tmp_path / "checkpoints/step-9/weights.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"x")
    said = []
    small_run(tmp_path, scenes, resume=True, say=said.append)
    assert "step-9 is skipped: damaged: weights.safetensors" in [e.text for e in said if isinstance(e, Warned)]
    assert [e.step for e in said if isinstance(e, Stepped)] == [9]
    assert state_of(tmp_path) == state_of(uninterrupted)
