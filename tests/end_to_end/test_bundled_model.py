"""The model that comes with condetr does what its card says, and what is shipped is small."""

import pytest
import torch

import condetr
from condetr.bundled import DIGITS, FOLDER, bundled_models
from condetr.data.demo.scene_folder import write_scenes

MEGABYTES = {"condetr/digits": 3, "condetr/nano": 4, "condetr/small": 12, "condetr/small-masks": 12}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "new", train=0, val=60)["val"]


def test_it_reads_handwriting_that_it_never_saw(scenes):
    report = condetr.load().evaluate(scenes, metrics=["ap"])
    assert report.ap50 > 0.93  # .979 on 500 scenes, and 60 scatter by 2 points
    assert report.ap > 0.68


def test_it_has_a_card():
    assert "24,000 scenes" in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert condetr.load(DIGITS).names == {digit: str(digit) for digit in range(10)}


@pytest.mark.parametrize("name", bundled_models())
def test_every_bundled_model_is_small_and_whole(name):
    folder = bundled_models()[name]
    assert sum(path.stat().st_size for path in folder.iterdir()) < MEGABYTES[name] * 2**20
    names = {"README.md", "config.json", "model.safetensors", "preprocessor_config.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert f"# {name}" in (folder / "README.md").read_text(encoding="utf-8")
    assert next(condetr.load(name, device="cpu").network.parameters()).dtype == torch.float32


def test_a_folder_of_that_name_comes_first(tmp_path, monkeypatch, scenes):
    monkeypatch.chdir(tmp_path)
    condetr.load(DIGITS, classes=["even", "odd"]).save_pretrained(DIGITS)
    assert condetr.load(DIGITS).names == {0: "even", 1: "odd"}
