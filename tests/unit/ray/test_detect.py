import numpy as np
import pytest
from PIL import Image

import condetr
from condetr.bundled import DIGITS
from condetr.core.errors import MissingExtraError, UsageError
from condetr.data.demo.scene_folder import write_scenes
from condetr.ray import Detect, library

pa = pytest.importorskip("pyarrow")
COLUMNS = {"boxes", "scores", "labels", "names", "error"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, train=0, val=2)
    Image.new("RGB", (320, 240), "white").save(folder / "val/blank.png")
    return sorted(str(path) for path in (folder / "val").iterdir())


@pytest.fixture(scope="module")
def detect():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("condetr.ray.detect.require_ray", lambda _: None)  # columns are made without it
        return Detect(DIGITS, threshold=0.3, device="cpu")


def test_the_columns_are_the_detections_of_the_model(detect, scenes):
    found = detect({"path": np.array(scenes, dtype=object), "shot": np.arange(3)})
    assert found.keys() == {"path", "shot"} | COLUMNS
    for position, result in enumerate(condetr.load(DIGITS, device="cpu").predict(scenes, threshold=0.3)):
        rows = {name: found[name][position].as_py() for name in COLUMNS}
        assert rows["boxes"] == result.boxes.tolist()
        assert rows["scores"] == result.scores.tolist()
        assert rows["labels"] == result.labels.tolist()
        assert rows["names"] == list(result.names)
        assert rows["error"] is None


def test_images_may_come_as_arrays_or_bytes(detect, scenes):
    by_path = detect({"path": np.array(scenes, dtype=object)})
    contents = []
    for path in scenes:
        with open(path, "rb") as file:  # noqa: PTH123
            contents.append(file.read())
    as_bytes = detect({"path": np.array(scenes, dtype=object), "bytes": np.array(contents, dtype=object)})
    arrays = np.empty(len(scenes), dtype=object)
    for position, path in enumerate(scenes):
        with Image.open(path) as image:
            arrays[position] = np.asarray(image.convert("RGB"))
    as_arrays = detect({"image": arrays})
    for name in COLUMNS:
        assert as_bytes[name].equals(by_path[name])
        assert as_arrays[name].equals(by_path[name])


def test_the_columns_have_the_same_types_where_there_is_nothing(detect, scenes):
    full = detect({"path": np.array(scenes, dtype=object)})
    none = detect({"path": np.array(["blank\udcff.png"], dtype=object)})
    assert {name: none[name].type for name in COLUMNS} == {name: full[name].type for name in COLUMNS}
    assert none["error"][0].as_py().startswith("blank\ufffd.png: cannot be read")
    assert none["boxes"][0].as_py() == []


def test_a_batch_without_images_is_refused(detect):
    with pytest.raises(UsageError, match=r"has the columns file, expected one of image, bytes, path \(rename_columns"):
        detect({"file": np.array(["a.png"])})


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"condetr\.ray needs ray \(pip install \"condetr\[ray\]\"\)"):
        Detect(DIGITS)
