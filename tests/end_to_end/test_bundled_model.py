"""The model that comes with condetr does what its card says, and what is shipped is small."""

import pytest

import condetr
from condetr.bundled import DIGITS, FOLDER
from condetr.data.demo.scene_folder import write_scenes

MEGABYTES = 3


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "new", train=0, val=60)["val"]


def test_it_reads_handwriting_that_it_never_saw(scenes):
    report = condetr.load().evaluate(scenes, metrics=["ap"])
    assert report.ap50 > 0.93  # .979 on 500 scenes, and 60 scatter by 2 points
    assert report.ap > 0.68


def test_it_is_small_and_has_a_card(scenes):
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MEGABYTES * 2**20
    assert "24,000 scenes" in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert condetr.load(DIGITS).names == {digit: str(digit) for digit in range(10)}


def test_a_folder_of_that_name_comes_first(tmp_path, monkeypatch, scenes):
    monkeypatch.chdir(tmp_path)
    condetr.load(DIGITS, classes=["even", "odd"]).save_pretrained(DIGITS)
    assert condetr.load(DIGITS).names == {0: "even", 1: "odd"}
