"""Labeling that is killed goes on with the same call, and the dataset is that of a run that was not."""

import numpy as np
import pytest
from PIL import Image

import condetr
from condetr.checkpoints.saving import save
from condetr.core.errors import DataError, StorageError, UsageError
from condetr.prediction.predictor import Predictor
from tests.tiny import LABELS, PREPROCESSING, tiny_detector, tiny_segmenter


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "3b.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def model(tmp_path):
    save(tmp_path / "model", tiny_detector(), LABELS, preprocessing=PREPROCESSING.to_dict())
    return tmp_path / "model"


@pytest.fixture
def predicted(monkeypatch):
    """The names of the images that the network saw."""
    names, predict = [], Predictor.predict_batch

    def recorded(self, images):
        names.extend(image.source.relative_path.name for image in images)
        return predict(self, images)

    monkeypatch.setattr(Predictor, "predict_batch", recorded)
    return names


def stop_after(count, error=KeyboardInterrupt):
    steps = []

    def step():
        steps.append(1)
        if len(steps) == count:
            raise error

    return step


def files_in(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize("make", [tiny_detector, tiny_segmenter])
def test_a_run_that_was_stopped_goes_on(photos, tmp_path, predicted, make):
    """After three images, and again after one more: each is predicted once, in order, masks included."""
    save(tmp_path / "model", make(), LABELS, preprocessing=PREPROCESSING.to_dict())
    model, options = condetr.load(tmp_path / "model", device="cpu"), {"threshold": 0.2}
    whole = model.label(photos, tmp_path / "whole", **options)
    assert (whole.before, len(whole.failures)) == (0, 1)
    predicted.clear()
    for count in (3, 4):
        with pytest.raises(KeyboardInterrupt):
            model.label(photos, tmp_path / "out", on_image=stop_after(count), **options)
        assert not (tmp_path / "out").exists()
        assert (tmp_path / "out.unfinished/predictions.jsonl").is_file()
    labeled = model.label(photos, tmp_path / "out", **options)
    assert (labeled.images, labeled.objects) == (whole.images, whole.objects)
    assert labeled.before == 4
    assert files_in(tmp_path / "out") == files_in(tmp_path / "whole")
    assert sorted(set(predicted)) == [f"{number}.png" for number in range(6)]
    assert predicted[-2:] == ["4.png", "5.png"]
    assert not (tmp_path / "out.unfinished").exists()


def test_a_run_that_was_killed_while_it_wrote_goes_on(photos, model, tmp_path, predicted):
    """What a kill leaves: all detections, and a folder in the new one."""
    loaded = condetr.load(model, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        loaded.label(photos, tmp_path / "out", on_image=stop_after(7))
    (tmp_path / "out/.unfinished").mkdir(parents=True)
    (tmp_path / "out/.unfinished/half.json").write_text("{")
    predicted.clear()
    assert loaded.label(photos, tmp_path / "out").before == 6
    assert predicted == []
    assert "half.json" not in {path.name for path in (tmp_path / "out").rglob("*")}
    (tmp_path / "mine/.unfinished").mkdir(parents=True)  # without detections it is another program's
    with pytest.raises(UsageError, match="exists and is not an empty folder"):
        loaded.label(photos, tmp_path / "mine")


@pytest.mark.parametrize("change", [{"threshold": 0.1}, {"top_k": 3}, {"classes": ["cat"]}, {"tile": (36, 36)}])
def test_other_settings_are_refused(photos, model, tmp_path, change):
    loaded, options = condetr.load(model, device="cpu"), {"tile": (32, 32), "classes": ["cat", "dog"]}
    with pytest.raises(KeyboardInterrupt):
        loaded.label(photos, tmp_path / "out", on_image=stop_after(2), **options)
    with pytest.raises(UsageError, match=f"{next(iter(change))}: is ") as caught:
        loaded.label(photos, tmp_path / "out", **(options | change))
    assert "remove this folder" in caught.value.hint
    assert loaded.label(photos, tmp_path / "out", format="yolo", split="val", **options).before == 2


def test_another_model_in_the_same_folder_is_refused(photos, model, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        condetr.load(model, device="cpu").label(photos, tmp_path / "out", on_image=stop_after(2))
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes())
    with pytest.raises(UsageError, match="changed: is "):
        condetr.load(model, device="cpu").label(photos, tmp_path / "out")


def test_nothing_is_kept_that_helps_nobody(photos, model, tmp_path):
    """Before the first image, and after errors that the same call would meet again; what may pass is kept."""
    loaded = condetr.load(model, device="cpu")
    for error in (DataError("no"), UsageError("no")):
        with pytest.raises(type(error)):
            loaded.label(photos, tmp_path / "out", on_image=stop_after(2, error))
        assert not (tmp_path / "out.unfinished").exists()
    with pytest.raises(UsageError, match="a folder of the images"):
        loaded.label(photos, photos / "out")
    assert not (photos / "out.unfinished").exists()
    with pytest.raises(StorageError):
        loaded.label(photos, tmp_path / "out", on_image=stop_after(3, StorageError("is full")))
    assert loaded.label(photos, tmp_path / "out").before == 3
