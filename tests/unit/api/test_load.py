import io

import numpy as np
import pytest
import torch
from PIL import Image

import condetr
from condetr.checkpoints.saving import save
from condetr.core.errors import UsageError
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.demo.scenes import scene
from condetr.training.run.run_folder import RunFolder
from tests.tiny import LABELS, PREPROCESSING, tiny_detector, tiny_segmenter
from tests.unit.data.hub_dataset import BOXES, FEATURES, Dataset, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    save(folder, tiny_detector(), LABELS, preprocessing=PREPROCESSING.to_dict(), source_ids=(17, 18, 16))
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return condetr.load(folder, device="cpu")


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_one_in_one_out_and_many_in_many_out(model, image):
    array = np.array(Image.open(image).copy())
    first = model.predict(image, threshold=0.3)
    assert isinstance(first, condetr.Detections)
    same = [str(image), Image.fromarray(array), array, torch.from_numpy(array).permute(2, 0, 1)]
    for value in same:
        assert model.predict(value, threshold=0.3).boxes.tolist() == first.boxes.tolist()
    many = model.predict([*same, image.parent], threshold=0.3, batch=8)
    assert len(many) == 5
    for found in many:
        torch.testing.assert_close(found.boxes, first.boxes, atol=1e-4, rtol=0)
    assert [found.source for found in many] == [str(image), "image 1", "image 2", "image 3", str(image)]
    assert [len(found) for found in model.predict(image.parent, threshold=0.3)] == [len(first)]
    assert [len(found) for found in model.predict([image], threshold=0.3)] == [len(first)]


def test_what_was_found_can_be_drawn_whatever_it_was_found_in(model, image):
    array = np.array(Image.open(image).copy())
    for value in (image, array):
        assert model.predict(value, threshold=0.3).draw().size == (40, 30)


def test_a_stream_comes_one_by_one(model, image):
    stream = model.stream([image, "gone.png", image], on_error="collect", batch=2)
    assert next(stream).source == str(image)
    assert isinstance(next(stream), condetr.Failure)
    assert len(list(stream)) == 1


def test_options_of_predict(model, image):
    assert set(model.predict(image, threshold=0, classes=["dog"]).names) == {"dog"}
    assert len(model.predict(image, threshold=0, top_k=3)) == 3
    with pytest.raises(condetr.UsageError, match=r"gone\.png"):
        model.predict("gone.png")
    assert isinstance(model.predict("gone.png", on_error="collect"), condetr.Failure)


@pytest.mark.parametrize(
    ("foreign", "ours"), [("conf", "threshold"), ("imgsz", "image_size"), ("batch_size", "batch"), ("max_det", "top_k")]
)
def test_the_words_of_others_are_refused_with_ours(folder, model, image, foreign, ours):
    for call in (lambda **option: model.predict(image, **option), lambda **option: model.stream(image, **option)):
        with pytest.raises(TypeError, match=rf"has no option {foreign}=; condetr calls it {ours}"):
            call(**{foreign: 1})
    with pytest.raises(TypeError, match=rf"load\(\) has no option {foreign}="):
        condetr.load(folder, **{foreign: 1})
    with pytest.raises(TypeError, match="unexpected keyword argument 'color'"):
        model.predict(image, color=1)
    with pytest.raises(TypeError, match="dataset_dir=; condetr calls it data"):
        model.predict(image, dataset_dir="x")


def test_options_are_keywords_only(folder, model, image):
    with pytest.raises(TypeError, match="positional"):
        model.predict(image, 0.5)
    with pytest.raises(TypeError, match="positional"):
        condetr.load(folder, ["cat"])


def test_new_classes_keep_what_is_known(folder, model):
    other = condetr.load(folder, classes=["bird", "unicorn", "cat"], device="cpu")
    assert other.names == {0: "bird", 1: "unicorn", 2: "cat"}
    rows = other.network.head.classes.weight
    assert torch.equal(rows[[0, 2]], model.network.head.classes.weight[[2, 0]])


def test_what_is_saved_loads_the_same(model, image, tmp_path):
    model.save_pretrained(tmp_path / "saved")
    again = condetr.load(tmp_path / "saved", device="cpu")
    assert again.names == model.names
    assert again.checkpoint.source_ids == (17, 18, 16)
    assert again.preprocessing == model.preprocessing
    one, other = (loaded.predict(image, threshold=0.3) for loaded in (model, again))
    assert one.boxes.tolist() == other.boxes.tolist()


def test_what_is_pushed_is_a_model_folder(model, monkeypatch):
    def look(folder, repository, **options):
        from pathlib import Path

        names = sorted(path.name for path in Path(folder).iterdir())
        assert names == ["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]
        return f"https://{repository}/{options['private']}"

    monkeypatch.setattr("condetr.api.detector.push", look)
    assert model.push_to_hub("org/name", private=True) == "https://org/name/True"


def test_info_is_plain_values(model):
    info = model.info()
    assert info["classes"] == {"0": "cat", "1": "dog", "2": "bird"}
    assert info["flops_image_size"] == [48, 64]
    assert info["flops"] > 0
    assert info["architecture"]["num_queries"] == 20


def test_the_image_size_can_be_another(folder, image):
    sizes = {48: (48, 64), (32, 32): (32, 32)}
    for image_size, prepared in sizes.items():
        assert condetr.load(folder, image_size=image_size, device="cpu").preprocessing.fit((30, 40)) == prepared
    with pytest.raises(condetr.SettingsError, match="image_size"):
        condetr.load(folder, image_size="big")


def test_the_pil_processor_stays_pil(folder, tmp_path):
    import json
    import shutil

    shutil.copytree(folder, tmp_path / "pil")
    file = tmp_path / "pil/preprocessor_config.json"
    record = json.loads(file.read_text()) | {"image_processor_type": "ConditionalDetrImageProcessorPil"}
    file.write_text(json.dumps(record))
    assert condetr.load(tmp_path / "pil", device="cpu").preprocessing.numerics == "pil"
    file.write_text(json.dumps(record | {"image_mean": [0.5]}))
    with pytest.raises(condetr.SettingsError, match=r"preprocessor_config\.json: image_mean"):
        condetr.load(tmp_path / "pil", device="cpu")


@pytest.fixture
def scenes(tmp_path):
    write_scenes(tmp_path / "scenes", train=8, val=4)
    return tmp_path / "scenes"


def test_a_copy_of_the_model_is_trained(folder, image, scenes, tmp_path, capsys):
    model = condetr.load(folder, device="cpu", image_size=48)
    before = model.predict(image, threshold=0.1)
    options = {"output": tmp_path / "run", "batch": 4, "workers": 0, "seed": 3}
    run = model.train(scenes, epochs=1, **options)
    assert (run.folder, run.best) == (tmp_path / "run", tmp_path / "run/best")
    assert 0 <= run.metrics["ap50"] <= 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "condetr: 2 steps of 4 images on cpu" in captured.err
    assert "condetr: epoch 1: loss " in captured.err

    trained = condetr.load(run.folder, device="cpu")
    assert list(trained.names.values()) == [str(digit) for digit in range(10)]
    assert trained.preprocessing.fit((48, 48)) == (48, 48)
    assert trained.predict(image, threshold=0).size == before.size
    assert model.names == {0: "cat", 1: "dog", 2: "bird"}
    assert model.predict(image, threshold=0.1).boxes.tolist() == before.boxes.tolist()

    events = []
    more = model.train(scenes, output=run.folder, resume=True, epochs=2, say=events.append)
    assert more.progress.step == 4
    assert "epochs changes from 1 to 2" in [getattr(event, "text", None) for event in events]
    assert not [event for event in events if "seed" in getattr(event, "text", "")]
    assert capsys.readouterr().err == ""


def test_a_copy_with_more_queries_is_trained(folder, scenes, tmp_path):
    model = condetr.load(folder, num_queries=9, device="cpu", image_size=48)
    options = {"output": tmp_path / "run", "batch": 4, "workers": 0, "epochs": 1, "say": lambda event: None}
    assert RunFolder(model.train(scenes, **options).folder).config()["network"] == {"num_queries": 9}
    more = {**options, "output": tmp_path / "more"}
    run = model.train(scenes, num_queries=21, **more)
    assert condetr.load(run.folder, device="cpu").network.config.num_queries == 21
    assert model.network.config.num_queries == 9
    with pytest.raises(condetr.SettingsError, match="num_queries: is 9, but the run began with 21"):
        model.train(scenes, resume=True, num_queries=9, **more)
    assert model.train(scenes, resume=True, num_queries=21, **(more | {"epochs": 2})).progress.step == 4


def test_a_dataset_of_the_hub_is_trained_and_measured_on(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = {"train": Dataset(rows([BOXES] * 4), FEATURES), "validation": Dataset(rows(), FEATURES)}
    model = condetr.load(folder, device="cpu", image_size=48)
    options = {"output": tmp_path / "run", "batch": 2, "workers": 0, "epochs": 1, "say": lambda event: None}
    trained = condetr.load(model.train(data, **options).folder, device="cpu")
    assert list(trained.names.values()) == ["hand", "cup"]
    assert set(trained.evaluate(data, split="val").per_class) == {"hand", "cup"}
    for call in (model.train, model.evaluate):
        with pytest.raises(UsageError, match="is a int, expected a path, or a Dataset"):
            call(5)


def test_training_is_asked_for_in_our_words(model, scenes, tmp_path):
    with pytest.raises(TypeError, match="num_train_epochs=; condetr calls it epochs"):
        model.train(scenes, num_train_epochs=3)
    with pytest.raises(TypeError, match="has no option epoch=; the nearest is epochs="):
        model.train(scenes, epoch=3)
    with pytest.raises(TypeError, match="positional"):
        model.train(scenes, 3)
    with pytest.raises(condetr.SettingsError, match="epochs: is 0"):
        model.train(scenes, epochs=0)
    with pytest.raises(condetr.SettingsError, match="output: must be given"):
        model.train(scenes, resume=True)
    with pytest.raises(condetr.UsageError, match="nowhere"):
        model.train("nowhere", output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_names_are_found_when_they_are_asked_for():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        condetr.nonsense  # noqa: B018
    assert {"load", "Detections", "Detector", "CondetrError"} <= set(dir(condetr))


def test_explain(model, image):
    first = model.explain(image, threshold=0.3)
    assert isinstance(first, condetr.Explanation)
    found = model.predict(image, threshold=0.3)[0]  # by the faster copy of the network
    assert (first.detection.label, first.detection.name) == (found.label, found.name)
    assert first.detection.box == pytest.approx(found.box, abs=1e-3)
    assert model.explain(image, threshold=0.3, detection=1, pixel=(3, 4)).pixel == (3, 4)
    every = model.explain(image, threshold=0.3, detection="all")
    assert [found.number for found in every] == list(range(len(every)))
    with pytest.raises(condetr.UsageError, match="expected a number from 0, best or all"):
        model.explain(image, detection="worst")
    with pytest.raises(TypeError, match="condetr calls it threshold"):
        model.explain(image, conf=0.3)


def test_videos_are_streamed_and_not_held(model, tmp_path):
    videos = pytest.importorskip("tests.videos")
    path = videos.make_video(tmp_path / "clip.mp4", 4)
    assert [result.moment.frame for result in model.stream(path)] == [0, 1, 2, 3]
    assert [result.moment.frame for result in model.stream(condetr.Video(path))] == [0, 1, 2, 3]
    for value in (path, [path], 0, condetr.Video(path)):
        with pytest.raises(condetr.UsageError, match=r"its results may not fit in memory \(stream\(\) returns"):
            model.predict(value)


def test_the_fast_copy_is_made_once_and_follows_the_weights(folder, image):
    model = condetr.load(folder, device="cpu")
    before = model.predict(image, threshold=0.3)
    copy = model._fast
    assert model.predict(image, threshold=0.3).scores.tolist() == before.scores.tolist()
    assert model._fast is copy
    with torch.no_grad():
        model.network.head.classes.bias += 0.5
    after = model.predict(image, threshold=0.3)
    assert after.scores[0] > before.scores[0]
    assert model._fast is not copy
    speed = model.speed()
    assert speed["device"] == "cpu"
    assert "frozen batch norms folded into convolutions (channels_last)" in speed["done"]
    assert any("torch.compile" in reason for reason in speed["left_out"])


def test_a_segmenter_has_a_fast_copy_too(tmp_path, image):
    save(tmp_path / "model", tiny_segmenter(), LABELS, preprocessing=PREPROCESSING.to_dict())
    model = condetr.load(tmp_path / "model", device="cpu")
    assert model.predict(image, threshold=0.3).masks is not None
    copy = model._fast
    model.predict(image, task="detect")
    model.predict(image, task="panoptic")
    assert model._fast is copy
    assert model.speed()["done"] == list(copy[1].steps)


def test_precision_and_compile_are_refused_where_they_lose_or_come_too_late(folder, monkeypatch):
    with pytest.raises(condetr.UsageError, match="precision: fp16 is slower on cpu"):
        condetr.load(folder, device="cpu", precision="fp16")
    monkeypatch.setattr("condetr.api.load.exported_folder", lambda _: folder)
    with pytest.raises(condetr.UsageError, match="precision: cannot change for an exported graph"):
        condetr.load(folder, precision="bf16")
    with pytest.raises(condetr.UsageError, match="compile: is for PyTorch models, not for exported graphs"):
        condetr.load(folder, compile=True)


def test_the_model_that_comes_along_refuses_photographs_unless_it_was_chosen(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    content = (tmp_path / "photo.png").read_bytes()
    model = condetr.load(device="cpu")
    for look in (model.predict, model.explain, lambda inputs: next(model.stream(inputs))):
        for value in (tmp_path / "photo.png", noise, io.BytesIO(content)):
            with pytest.raises(
                UsageError, match=r"no model was given, .* condetr\.load\(.condetr/digits.\) for digits"
            ):
                look(value)
    page = scene(0, split="val").image
    page.save(tmp_path / "page.png")
    with (tmp_path / "page.png").open("rb") as opened:
        counts = [
            len(found) for found in model.predict([page, opened, io.BytesIO((tmp_path / "page.png").read_bytes())])
        ]
    assert counts == [counts[0]] * 3
    assert counts[0] > 0
    condetr.load("condetr/digits", device="cpu").predict(noise)
