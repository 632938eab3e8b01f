import random

import pytest

from condetr.core.errors import DataError
from condetr.data.checks.data_report import DataProblem
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.formats import read_dataset
from condetr.data.yolo.columns import Columns, columns_of, declared_columns
from tests.unit.data.layouts import BOX, yolo, yolo_class_file


def pose(seed, count=2, *, flags=True):
    """A box, and keypoints in it, each perhaps with a flag."""
    draw = random.Random(seed)
    width, height = draw.uniform(0.1, 0.4), draw.uniform(0.1, 0.4)
    x, y = draw.uniform(width / 2, 1 - width / 2), draw.uniform(height / 2, 1 - height / 2)
    line = [0.0, x, y, width, height]
    for _ in range(count):
        line += [x + draw.uniform(-0.5, 0.5) * width, y + draw.uniform(-0.5, 0.5) * height]
        line += [draw.choice([0.0, 1.0, 2.0])] if flags else []
    return line


def outline(seed, corners):
    """A box, walked around."""
    draw = random.Random(seed)
    left, top, side = draw.uniform(0, 0.7), draw.uniform(0, 0.7), draw.uniform(0.05, 0.3)
    walk = [(0, 0), (1, 0), (1, 1), (0.5, 1), (0, 1)][:corners]
    return [0.0, *(number for x, y in walk for number in (left + x * side, top + y * side))]


@pytest.mark.parametrize("count", [1, 2, 3, 17])
def test_keypoints_with_flags_are_recognized_by_their_flags(count):
    lines = [pose(seed, count) for seed in range(30)]
    assert columns_of(lines) == Columns(5 + 3 * count)
    assert columns_of([*lines, [0.0, 0.5, 0.5, 0.1, 0.1]]) == Columns(5 + 3 * count), "boxes alone do not count"


def test_outlines_are_recognized_by_their_counts_and_positions():
    assert columns_of([outline(1, 4), outline(2, 5)]) == Columns()
    assert columns_of([outline(seed, 4) for seed in range(30)]) == Columns()
    assert columns_of([outline(seed, 5) for seed in range(30)]) == Columns(), "11 columns: also 2 keypoints with flags"
    assert columns_of([]) == Columns()


def test_ambiguous_lines_are_refused_with_a_hint():
    lines = [pose(seed, 2, flags=False) for seed in range(30)]
    with pytest.raises(DataProblem, match=r"kpt_shape: \[K, 2\].*task: segment"):
        columns_of(lines)
    assert columns_of(lines, outlines=True) == Columns()
    assert declared_columns(["2", "2"], None) == Columns(9)
    assert declared_columns(None, "segment") == Columns()
    assert declared_columns(None, None) is None


@pytest.mark.parametrize("shape", [[2], [2, 4], ["x", 2], "2, 3", [[2], 3], [-2, 3], {}])
def test_a_kpt_shape_of_another_kind_is_refused(shape):
    with pytest.raises(DataProblem, match="kpt_shape"):
        declared_columns(shape, None)


def test_pose_files_give_boxes(tmp_path):
    declared = read_dataset(yolo(tmp_path / "a", {"kpt_shape": [2, 3]}, more=" 0.4 0.4 2 0.6 0.6 2"), "train")
    guessed = read_dataset(yolo(tmp_path / "b", more=" 0.4 0.4 2 0.6 0.6 1"), "train")
    many = read_dataset(yolo(tmp_path / "c", {"kpt_shape": [3, 2]}, more=" 0.4 0.4 0 0 7 7"), "train")
    for dataset in (declared, guessed, many):
        assert [labeled.box for example in dataset for labeled in example.objects] == [BOX, BOX]
        assert dataset.report.counts == {ProblemKind.KEYPOINTS: 2}


def test_lines_that_contradict_the_kpt_shape_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"t0\.txt: line 1: .* has 11 values, expected 5, or 14 with keypoints"):
        read_dataset(yolo(tmp_path, {"kpt_shape": [3, 3]}, more=" 0.4 0.4 2 0.6 0.6 2"), "train")


def test_unclear_lines_are_refused_unless_declared(tmp_path):
    more = " 0.45 0.45 0.55 0.5"
    with pytest.raises(DataError, match="could be an outline of 4 points, or a box with keypoints"):
        read_dataset(yolo(tmp_path / "a", more=more), "train")
    outlined = read_dataset(yolo(tmp_path / "b", {"task": "segment"}, more=more), "train")
    assert outlined.report.counts == {ProblemKind.BOX_OF_OUTLINE: 2}


def test_predictions_that_condetr_and_yolo_write_are_read_as_boxes_with_a_note(tmp_path):
    dataset = read_dataset(yolo_class_file(tmp_path, more=" 0.93"), "train")
    assert [labeled.box for example in dataset for labeled in example.objects] == [BOX, BOX]
    assert dataset.report.counts == {ProblemKind.SCORE: 2}


@pytest.mark.parametrize("sixth", ["1.5", "-0.1", "nan", "7"])  # an angle, the number of a track
def test_a_sixth_number_that_is_no_score_is_refused(tmp_path, sixth):
    with pytest.raises(DataError, match="6 values"):
        read_dataset(yolo_class_file(tmp_path, more=f" {sixth}"), "train")


def test_a_score_behind_some_boxes_only_is_refused(tmp_path):
    root = yolo_class_file(tmp_path)
    (root / "labels/train/t0.txt").write_text("0 0.5 0.5 0.5 0.5 0.93\n")
    with pytest.raises(DataError, match="6 values"):
        read_dataset(root, "train")


def test_an_outline_with_a_nan_is_left_out(tmp_path):
    root = yolo(tmp_path)
    (root / "labels/train/t0.txt").write_text("0 0.1 0.1 nan 0.2 0.3 0.3\n")
    assert read_dataset(root, "train").report.counts[ProblemKind.NOT_FINITE_BOX] == 1
