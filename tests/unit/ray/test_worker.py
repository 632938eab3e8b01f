"""The code of the processes, run in this one."""

import logging
import types
from pathlib import Path

import pytest
from PIL import Image

import condetr
from condetr.bundled import DIGITS
from condetr.core.errors import UsageError
from condetr.data.demo.scene_folder import write_scenes
from condetr.images.detections import Detections
from condetr.prediction.sources import images_in
from condetr.ray import worker
from condetr.ray.model_files import model_in, read_model_files
from condetr.ray.sources import portable
from condetr.ray.worker import DetectionActor, prepare

MOST_PIXELS = 1_000_000


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, train=0, val=3)
    (folder / "val/000001b.jpg").write_bytes(b"no image")
    return folder / "val"


@pytest.fixture(scope="module")
def model():
    return condetr.load(DIGITS, device="cpu")


@pytest.fixture
def actor(monkeypatch):
    """Makes an actor; Ray's references are the objects themselves."""
    monkeypatch.setattr(worker, "ray_library", lambda: types.SimpleNamespace(get=list))

    def make(*, version=condetr.__version__, tile=None):
        return DetectionActor(version, 1, {"device": "cpu"}, {"threshold": 0.3, "batch": 2}, tile)

    return make


@pytest.fixture(scope="module")
def content(model):
    return [read_model_files(model.checkpoint.provenance.path)]


def shown(record):
    return record if isinstance(record, dict) else record.to_dict()


def expected(model, scenes, **options):
    results = model.stream(scenes, threshold=0.3, batch=2, on_error="collect", **options)
    return [result.to_dict() if isinstance(result, Detections) else result.error.to_dict() for result in results]


def test_the_results_are_those_of_the_model_bit_by_bit(model, scenes, actor, content):
    prepared = prepare([portable(source) for source in images_in(scenes)], model.preprocessing, MOST_PIXELS)
    detecting = actor()
    assert detecting.start(content)[0] == "cpu"
    found = detecting.detect(content, prepared)
    assert [shown(record) for record in found.records] == expected(model, scenes)


def test_in_tiles_too(model, scenes, actor, content):
    found = actor(tile=(200, 200)).detect_in_tiles(content, [*map(portable, images_in(scenes))], MOST_PIXELS)
    assert [shown(record) for record in found.records] == expected(model, scenes, tile=(200, 200))


def test_images_above_the_limit_are_refused_and_the_limit_ends(model, scenes):
    first = [portable(source) for source in images_in(scenes)][:1]
    (refused,) = prepare(first, model.preprocessing, 100).images
    assert "over the limit of 100 pixels" in str(refused.error)
    (image,) = prepare(first, model.preprocessing, MOST_PIXELS).images
    assert image.batch.pixels.shape[1] == 3


def test_warnings_travel_with_the_results(model, tmp_path, actor, content, monkeypatch):
    monkeypatch.setattr("condetr.images.decoding.frames._warned", set())
    pages = [Image.new("RGB", (64, 64), color) for color in ("white", "black")]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    prepared = prepare(
        [portable(source) for source in images_in(tmp_path, pages=False)], model.preprocessing, MOST_PIXELS
    )
    found = actor().detect(content, prepared)
    assert [warning.partition(": ")[2] for warning in found.warnings] == ["has 2 pages, only the first is read"]
    assert not any(isinstance(handler, worker._ListHandler) for handler in logging.getLogger("condetr").handlers)


def test_another_version_on_a_node_is_refused(actor, content):
    with pytest.raises(UsageError, match=r"a node has condetr .*, and the run was started by 0\.0\.1"):
        actor(version="0.0.1").start(content)


def test_a_model_travels_as_its_files(tmp_path):
    (tmp_path / "folder/deep").mkdir(parents=True)
    for name in ("a.json", "b.safetensors", ".hidden"):
        (tmp_path / "folder" / name).write_bytes(name.encode())
    with model_in(read_model_files(tmp_path / "folder")) as path:
        assert {file.name: file.read_bytes() for file in path.iterdir()} == {
            "a.json": b"a.json",
            "b.safetensors": b"b.safetensors",
        }
    assert not Path(path).exists()
    with model_in(read_model_files(tmp_path / "folder/b.safetensors")) as path:
        assert path.name == "b.safetensors"
        assert path.read_bytes() == b"b.safetensors"
