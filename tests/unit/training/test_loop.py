"""What happens around the steps: measuring, keeping, ending early, failing."""

import json
import multiprocessing
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from condetr.checkpoints.loading import load
from condetr.core.errors import DataError, ModelError, SettingsError, UsageError
from condetr.data.records import Dataset
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.training import loop
from condetr.training.preparation import largest_size
from condetr.training.run.callbacks import CallbackError, StopTraining
from condetr.training.run.events import Evaluated, Noted, Saved, Started, Stepped, Warned
from condetr.training.settings import TrainingSettings
from tests.unit.training.networks import tiny_detector
from tests.unit.training.runs import small_run, state_of
from tests.unit.training.scenes import write_scenes

QUICK = {"query_groups": 1, "ema": 0.0, "augment": "none", "accumulate": 1, "batch": 2}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 4)


def scores(*values):
    """An evaluation with these answers, one after the other."""
    remaining = list(values)
    return lambda detector, dataset: {"ap": remaining.pop(0), "ap50": 0.5}


def texts(said, kind):
    return [event.text for event in said if isinstance(event, kind)]


def test_the_best_model_is_kept_and_a_run_without_progress_ends(tmp_path, scenes):
    said = []
    evaluate = scores(0.1, 0.3, 0.2, 0.3, 0.1)
    result = small_run(tmp_path, scenes, evaluate=evaluate, say=said.append, epochs=9, patience=2, **QUICK)
    assert [(event.epoch, event.is_best) for event in said if isinstance(event, Evaluated)] == [
        (1, True),
        (2, True),
        (3, False),
        (4, False),
    ]
    assert texts(said, Noted) == ["no improvement in 2 evaluations: the best was after epoch 2"]
    assert (result.best, result.progress.best, result.metrics) == (tmp_path / "best", 0.3, {"ap": 0.3, "ap50": 0.5})
    assert {"best", "last"} <= {path.name for path in tmp_path.iterdir()}
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["ap"] for row in rows if "ap" in row] == [0.1, 0.3, 0.2, 0.3]


@pytest.mark.slow
def test_a_start_model_is_measured_first_and_stays_the_best_where_nothing_is_better(tmp_path, scenes):
    detector, said = tiny_detector(), []
    start = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    options = {"is_trained": True, "epochs": 2, **QUICK}
    result = small_run(
        tmp_path, scenes, detector=detector, evaluate=scores(0.6, 0.2, 0.5), say=said.append, patience=3, **options
    )
    assert [(event.epoch, event.is_best) for event in said if isinstance(event, Evaluated)] == [
        (0, True),
        (1, False),
        (2, False),
    ]
    first = next(position for position, event in enumerate(said) if isinstance(event, Evaluated))
    assert first < next(position for position, event in enumerate(said) if isinstance(event, Stepped))
    assert (result.best, result.progress.best, result.metrics["ap"]) == (tmp_path / "best", 0.6, 0.5)
    kept = load(tmp_path / "best").detector.state_dict()
    torch.testing.assert_close(kept, start, rtol=0, atol=0)
    (warning,) = texts(said, Warned)
    assert warning.startswith("no epoch was better than the start model (0.600), which is in best/: a lower --lr")
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[0] == {"step": 0, "epoch": 0.0, "ap": 0.6, "ap50": 0.5}

    said.clear()
    result = small_run(
        tmp_path, scenes, resume=True, evaluate=scores(0.5, 0.7), say=said.append, **(options | {"epochs": 3})
    )
    assert [(event.epoch, event.is_best) for event in said if isinstance(event, Evaluated)] == [(2, False), (3, True)]
    assert texts(said, Warned) == []
    again = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert again[: len(rows)] == rows


def test_measuring_the_start_changes_no_step_and_is_repeated_where_it_was_interrupted(tmp_path, scenes):
    def interrupted(detector, dataset):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    small_run(tmp_path / "one", scenes, epochs=1, evaluate=scores(0.1), **QUICK)
    options = {"is_trained": True, "epochs": 1, **QUICK}
    with pytest.raises(ModelError, match="out of memory in the evaluation of the start model"):
        small_run(tmp_path / "other", scenes, evaluate=interrupted, **options)
    said = []
    small_run(tmp_path / "other", scenes, resume=True, evaluate=scores(0.2, 0.1), say=said.append, **options)
    assert [event.epoch for event in said if isinstance(event, Evaluated)] == [0, 1]
    assert state_of(tmp_path / "one") == state_of(tmp_path / "other")


def test_the_average_is_what_is_measured_and_kept(tmp_path, scenes):
    measured = []

    def evaluate(detector, dataset):
        assert not detector.training
        assert dataset is scenes
        measured.append({name: tensor.clone() for name, tensor in detector.state_dict().items()})
        return {"ap": 0.5}

    detector = tiny_detector()
    settings = QUICK | {"ema": 0.9, "epochs": 1}
    small_run(tmp_path, scenes, detector=detector, evaluate=evaluate, **settings)
    kept = load(tmp_path / "best").detector.state_dict()
    torch.testing.assert_close(kept, measured[0], rtol=0, atol=0)
    assert not torch.equal(kept["head.classes.weight"], detector.head.classes.weight)


def test_a_finished_run_has_everything_that_a_person_looks_for(tmp_path, scenes):
    said = []
    result = small_run(tmp_path, scenes, validation=scenes, say=said.append, epochs=2, **QUICK)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written >= {
        *("config.yaml", "command.txt", "environment.json", "data_report.json", "labels.json", "curves.png"),
        *("metrics.jsonl", "metrics.csv", "samples/training.jpg", "samples/predictions.jpg"),
        *("last/config.json", "last/model.safetensors", "last/preprocessor_config.json", "last/README.md"),
        *("checkpoints/step-4/manifest.json", "checkpoints/step-4/state.json"),
    }
    assert result.best == tmp_path / "last"
    for sheet in ("samples/training.jpg", "samples/predictions.jpg"):
        with Image.open(tmp_path / sheet) as image:
            assert min(image.size) >= 400
    (started,) = (event for event in said if isinstance(event, Started))
    assert (started.steps, started.images, started.done) == (4, 2, 0)
    assert [event.step for event in said if isinstance(event, Stepped)] == [1, 2, 3, 4]
    assert sum(isinstance(event, Saved) for event in said) == 2  # before the first step and after the last
    assert load(tmp_path).labels == {0: "red", 1: "blue"}


@pytest.mark.slow
def test_out_of_memory_says_what_to_lower_and_loses_no_step(tmp_path, scenes, monkeypatch):
    small_run(tmp_path / "whole", scenes, epochs=3, **QUICK)
    take, calls = loop.take_step, []

    def failing(*given):
        calls.append(1)
        if len(calls) == 4:
            torch.rand(7)  # a step that failed may have drawn random numbers
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return take(*given)

    monkeypatch.setattr(loop, "take_step", failing)
    with pytest.raises(ModelError, match=r"out of memory in step 3, with batches of 2x3x64x64.*--batch") as caught:
        small_run(tmp_path / "run", scenes, epochs=3, **QUICK)
    assert caught.value.exit_status == 5
    assert (tmp_path / "run/checkpoints/step-3").is_dir()
    small_run(tmp_path / "run", scenes, resume=True, epochs=3, **QUICK)
    assert state_of(tmp_path / "run") == state_of(tmp_path / "whole")


def test_an_evaluation_that_fails_is_repeated_and_nothing_else(tmp_path, scenes):
    def evaluate(detector, dataset):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(ModelError, match="out of memory in the evaluation after epoch 1"):
        small_run(tmp_path, scenes, evaluate=evaluate, epochs=1, **QUICK)
    said = []
    small_run(tmp_path, scenes, evaluate=scores(0.7), resume=True, say=said.append, epochs=1, **QUICK)
    assert not any(isinstance(event, Stepped) for event in said)
    assert [event.metrics["ap"] for event in said if isinstance(event, Evaluated)] == [0.7]
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row.get("ap") for row in rows] == [None, None, 0.7]


def test_numbers_that_are_not_finite_stop_a_run_that_wants_it(tmp_path, scenes):
    def spoil(event):
        if isinstance(event, Stepped) and event.step == 1:
            detector.head.classes.register_forward_hook(lambda module, given, logits: logits * torch.nan)

    detector = tiny_detector()
    with pytest.raises(ModelError, match=r"step 1: .*not finite.* in the images 00\d\.png, 00\d\.png"):
        small_run(tmp_path, scenes, detector=detector, say=spoil, epochs=3, non_finite="stop", **QUICK)
    assert (tmp_path / "checkpoints/step-1").is_dir()
    assert all(tensor.isfinite().all() for tensor in load(tmp_path).detector.state_dict().values())


def test_a_deleted_image_is_said_and_the_run_goes_on(tmp_path):
    scenes = write_scenes(tmp_path / "scenes", 4)
    scenes[2].path.write_bytes(b"no picture any more")
    said = []
    detector = tiny_detector()
    small_run(tmp_path / "run", scenes, detector=detector, say=said.append, epochs=1, **QUICK)
    assert len(texts(said, Warned)) == 1
    assert "left out: " in texts(said, Warned)[0]
    assert "002.png" in texts(said, Warned)[0]
    with pytest.raises(DataError, match=r"002\.png"):
        small_run(tmp_path / "strict", scenes, epochs=1, unreadable="stop", **QUICK)


def test_changed_data_are_refused_on_resume(tmp_path, scenes):
    small_run(tmp_path, scenes, epochs=1, **QUICK)
    fewer = scenes[:3]
    with pytest.raises(SettingsError, match="the dataset changed"):
        small_run(tmp_path, fewer, resume=True, epochs=2, **QUICK)
    said = []
    small_run(tmp_path, fewer, resume=True, say=said.append, epochs=2, allow_changed_data=True, **QUICK)
    assert any("the dataset changed" in text for text in texts(said, Warned))
    assert "epochs changes from 1 to 2" in texts(said, Noted)


def test_a_run_killed_before_its_first_checkpoint_begins_anew(tmp_path, scenes):
    (tmp_path / "checkpoints").mkdir()
    said = []
    small_run(tmp_path, scenes, resume=True, say=said.append, epochs=1, **QUICK)
    assert "the run was stopped before its first checkpoint; it starts from the beginning" in texts(said, Noted)


def test_a_model_for_other_classes_and_empty_data_are_refused(tmp_path, scenes):
    with pytest.raises(UsageError, match="the model has 5 classes, the dataset has 2"):
        small_run(tmp_path, scenes, detector=tiny_detector(num_labels=5), **QUICK)
    with pytest.raises(DataError, match="no images to train on"):
        small_run(tmp_path, Dataset((), scenes.classes, scenes.root), **QUICK)


def test_a_batch_size_is_found_and_kept_on_resume(tmp_path, scenes):
    said = []
    settings = QUICK | {"batch": "auto", "epochs": 1}
    small_run(tmp_path, scenes, say=said.append, **settings)
    assert any(text.startswith("batch: 16 images of 64x64 on each") for text in texts(said, Noted))
    state = json.loads((tmp_path / "checkpoints/step-1/state.json").read_text())
    assert state["batch"] == 16
    small_run(tmp_path, scenes, resume=True, **(settings | {"epochs": 2}))


def test_the_worst_batch_is_an_upright_image_beside_a_wide_one(scenes):
    sizes = (480, 640), (640, 480), (100, 100)
    mixed = replace(scenes, examples=tuple(replace(scenes[0], size=size) for size in sizes))
    assert largest_size(Preprocessing(size=Edges(48, 64)), mixed) == (64, 64)


def test_patience_without_measures_is_told(tmp_path, scenes):
    said = []
    small_run(tmp_path, scenes, say=said.append, epochs=1, patience=3, **QUICK)
    assert "patience has no effect without evaluation" in texts(said, Warned)


def test_objects_that_crops_drop_are_counted_in_the_log_and_at_the_end(tmp_path, scenes):
    said = []
    small_run(tmp_path, scenes, say=said.append, **QUICK | {"augment": "detr", "min_visibility": 0.9})
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    count = sum(row["slivers"] for row in rows)
    assert count > 0
    assert f"crops dropped {count} objects of which they kept less than min_visibility" in [
        event.text for event in said if isinstance(event, Noted)
    ]


@pytest.mark.slow
def test_a_callback_ends_the_run_as_early_stopping_does_and_it_can_be_resumed(tmp_path, scenes):
    def stop(event):
        if isinstance(event, Stepped) and event.step == 3:
            raise StopTraining("enough")

    whole, said = tmp_path / "whole", []
    small_run(whole, scenes, evaluate=scores(0.1, 0.2, 0.3), **QUICK)
    run = tmp_path / "stopped"
    result = small_run(run, scenes, evaluate=scores(0.1), callbacks=[stop], say=said.append, **QUICK)
    assert (result.progress.step, result.progress.best) == (3, 0.1)
    assert (run / "checkpoints" / "step-3").is_dir()
    assert texts(said, Noted)[-1].endswith("ends the run: enough")
    resumed = small_run(run, scenes, resume=True, evaluate=scores(0.2, 0.3), **QUICK)
    assert resumed.progress.step == 6
    assert state_of(run) == state_of(whole)


def test_a_callback_that_stops_on_an_evaluation_ends_the_run_there(tmp_path, scenes):
    class Patient:
        def on_evaluated(self, event):
            if event.metrics["ap"] > 0.15:
                raise StopTraining

    result = small_run(tmp_path, scenes, evaluate=scores(0.1, 0.2), callbacks=[Patient()], **QUICK)
    assert (result.progress.step, result.metrics["ap"], result.best) == (4, 0.2, tmp_path / "best")


def test_a_callback_that_fails_ends_the_run_with_the_step_saved(tmp_path, scenes):
    def broken(event):
        if isinstance(event, Stepped) and event.step == 3:
            raise LookupError("no such plot")

    with pytest.raises(CallbackError, match=r"broken: failed on Stepped: LookupError: no such plot"):
        small_run(tmp_path, scenes, callbacks=[broken], **QUICK)
    assert (tmp_path / "checkpoints" / "step-3").is_dir()


STEPS = ({"RandomHorizontalFlip": {}}, {"RandomRotation": {"degrees": 20, "fill": [9, 9, 9]}})


@pytest.mark.slow
def test_a_pipeline_is_kept_with_the_run_and_resumed_exactly(tmp_path, scenes):
    file = tmp_path / "mine.yaml"
    file.write_text("- RandomHorizontalFlip\n- RandomRotation: {degrees: 20, fill: [9, 9, 9]}\n")

    def stop(event):
        if isinstance(event, Stepped) and event.step == 3:
            raise StopTraining

    whole, run = tmp_path / "whole", tmp_path / "run"
    small_run(whole, scenes, **QUICK | {"augment": file})
    small_run(run, scenes, callbacks=[stop], **QUICK | {"augment": file})
    file.unlink()
    stored = yaml.safe_load((run / "config.yaml").read_text())
    assert stored["augment"] == list(STEPS)
    assert TrainingSettings.from_dict(stored).augment == STEPS
    small_run(run, scenes, resume=True, **QUICK | {"augment": STEPS})
    assert state_of(run) == state_of(whole)
    plain = tmp_path / "plain"
    small_run(plain, scenes, **QUICK)
    assert state_of(plain) != state_of(whole)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_callable_is_deterministic_whichever_generator_it_uses_and_wherever_it_runs(tmp_path, scenes, workers):
    calls = []

    def noisy(sample):
        calls.append(1)
        shift = int(np.random.randint(9)) + random.randrange(9) + int(torch.randint(9, ()))
        return sample | {"image": (sample["image"].float() + shift).clamp(0, 255).to(torch.uint8)}

    states = []
    for number in range(2):
        np.random.seed(number), random.seed(number)
        settings = QUICK | {"augment": None, "epochs": 1, "workers": number and workers}
        small_run(tmp_path / f"{number}", scenes, augmentation=noisy, **settings)
        states.append(state_of(tmp_path / f"{number}"))
    assert states[0] == states[1]
    assert calls


@pytest.mark.parametrize("workers", [0, 1])
def test_a_callable_that_fails_on_an_image_names_it(tmp_path, scenes, workers):
    def picky(sample):
        if sample["image"].shape[-1] == 64 and sample["image"].float().mean() > 115:
            raise ValueError("too bright")
        return sample

    with pytest.raises(SettingsError, match=r"^\d{3}.png: augment, picky: failed: ValueError: too bright") as caught:
        small_run(tmp_path, scenes, augmentation=picky, **QUICK | {"augment": None, "workers": workers})
    assert caught.value.item == "augment, picky"
    assert multiprocessing.active_children() == [], "workers end although the traceback is kept"


def test_a_run_with_a_callable_is_not_resumed_without_it(tmp_path, scenes):
    with pytest.raises(SettingsError, match=r"augment: is null.*Detector.train"):
        small_run(tmp_path, scenes, **QUICK | {"augment": None})


def test_an_augmentation_is_tried_before_training(tmp_path, scenes):
    said = []
    small_run(
        tmp_path / "a",
        scenes,
        augmentation=lambda sample: sample | {"image": sample["image"].flip(-1)},
        say=said.append,
        **QUICK | {"augment": None, "epochs": 1, "min_visibility": 0.5},
    )
    first, second = texts(said, Warned)[:2]
    assert "do not lie on their object" in first
    assert second == "min_visibility has no effect on an augmentation of your own"
    with pytest.raises(SettingsError, match="FiveCrop: failed"):
        small_run(tmp_path / "b", scenes, **QUICK | {"augment": ({"FiveCrop": {"size": 8}},)})
    assert not list((tmp_path / "b").glob("checkpoints/step-*"))


@pytest.mark.slow
def test_rare_classes_are_repeated_and_the_run_resumes_exactly(tmp_path):
    scenes = write_scenes(tmp_path / "scenes", 6)
    rare = Dataset(
        tuple(
            replace(e, objects=tuple(replace(o, label=int(n == 0)) for o in e.objects)) for n, e in enumerate(scenes)
        ),
        scenes.classes,
        scenes.root,
    )
    settings = QUICK | {"repeat_factor": 1.0, "epochs": 2}
    said = []

    def stop(event):
        if isinstance(event, Stepped) and event.step == 2:
            raise StopTraining

    small_run(tmp_path / "whole", rare, say=said.append, **settings)
    assert any(text.startswith("repeat factor: 8 draws of 6 images") for text in texts(said, Noted))
    assert [event.epoch for event in said if isinstance(event, Stepped)][-1] == 2
    small_run(tmp_path / "run", rare, callbacks=[stop], **settings)
    with pytest.raises(SettingsError, match=r"repeat_factor: is 0.0, but the run began with 1.0"):
        small_run(tmp_path / "run", rare, resume=True, **settings | {"repeat_factor": 0.0})
    small_run(tmp_path / "run", rare, resume=True, **settings)
    assert state_of(tmp_path / "run") == state_of(tmp_path / "whole")


def test_a_training_ends_after_its_steps_and_is_evaluated_there(tmp_path, scenes):
    events = []
    result = small_run(tmp_path, scenes, steps=5, epochs=1, say=events.append, evaluate=scores(0.1, 0.2, 0.3), **QUICK)
    (started,) = (event for event in events if isinstance(event, Started))
    assert started.steps == result.progress.step == 5
    assert [event.epoch for event in events if isinstance(event, Evaluated)] == [1, 2, 2.5]
    assert result.progress.best_epoch == 2.5
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    rates = [row["lr"] for row in rows if "lr" in row]
    assert len(rates) == 5
    assert rates[-1] < 0.5 * rates[2], "the schedule reaches its end with the steps"


@pytest.mark.slow
def test_a_resumed_training_of_so_many_steps_is_that_of_an_uninterrupted_one(tmp_path, scenes):
    full = {"steps": 7, "batch": 2, "accumulate": 1}
    small_run(tmp_path / "whole", scenes, **full)

    def stop(event):
        if isinstance(event, Stepped) and event.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_run(tmp_path / "run", scenes, say=stop, save_every=1, **full)
    assert (tmp_path / "run/checkpoints/step-2").is_dir()
    result = small_run(tmp_path / "run", scenes, resume=True, **full)
    assert result.progress.step == 7
    assert state_of(tmp_path / "run") == state_of(tmp_path / "whole")
    longer = small_run(tmp_path / "run", scenes, resume=True, **(full | {"steps": 9}))
    assert longer.progress.step == 9


def test_the_evaluation_after_the_last_step_is_repeated_where_it_failed(tmp_path, scenes):
    def fail(detector, dataset):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(ModelError, match=r"in the evaluation after epoch 0\.5"):
        small_run(tmp_path, scenes, evaluate=fail, steps=1, **QUICK)
    result = small_run(tmp_path, scenes, evaluate=scores(0.7), resume=True, steps=1, **QUICK)
    assert (result.progress.step, result.metrics["ap"]) == (1, 0.7)


def test_rates_are_scaled_and_steps_accumulated_for_the_reference_batch(tmp_path, scenes):
    events = []
    settings = QUICK | {"batch": 4, "reference_batch": 1, "lr": 1e-3, "lr_backbone": 1e-4, "schedule": "constant"}
    small_run(tmp_path / "scaled", scenes, epochs=1, warmup=0, say=events.append, **settings)
    assert "learning rate 0.002, of the backbone 0.0002: for 4 images per step; 0.001 is for 1" in texts(events, Noted)
    row = json.loads((tmp_path / "scaled/metrics.jsonl").read_text().splitlines()[0])
    assert (row["lr"], row["lr_backbone"]) == (0.002, 0.0002)
    events.clear()
    settings |= {"batch": 1, "accumulate": "auto", "reference_batch": 4}
    small_run(tmp_path / "accumulated", scenes, epochs=1, say=events.append, **settings)
    assert [event.images for event in events if isinstance(event, Started)] == [4]
    assert not any("learning rate" in text for text in texts(events, Noted))
