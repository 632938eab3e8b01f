import math

import numpy as np
import pytest
import torch

from condetr.core.records import Prediction
from condetr.data.batches import collate
from condetr.data.samples import read_sample, target_of
from condetr.images.drawing.colors import color_of
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.training.run.run_folder import RunFolder
from condetr.training.run.sample_sheets import GAP, SIDE, SampleSheets, sheet_of_batches, sheet_of_predictions
from tests.unit.training.networks import tiny_detector
from tests.unit.training.scenes import write_scenes

PREPROCESSING = Preprocessing(size=Edges(64, 64))
LABELS = {0: "red", 1: "blue"}


def test_training_images_are_shown_in_their_own_colors_with_their_boxes(tmp_path):
    scenes = write_scenes(tmp_path, 6)
    batches = [
        collate([target_of(read_sample(one)) for one in scenes[start : start + 3]], ["a"] * 3, PREPROCESSING)
        for start in (0, 3)
    ]
    sheet = sheet_of_batches(batches, PREPROCESSING, LABELS)
    assert sheet.size == (4 * SIDE + 3 * GAP, 2 * SIDE + GAP)
    x1, y1, x2, y2 = (side * SIDE / 64 for side in scenes[0].objects[0].box)
    inside = np.array(sheet)[round((y1 + y2) / 2), round((x1 + x2) / 2)]
    expected = {0: (220, 40, 40), 1: (40, 60, 220)}[scenes[0].objects[0].label]
    np.testing.assert_allclose(inside, expected, atol=3)  # one level of normalizing, two of enlarging


@pytest.mark.parametrize("logit", [9.0, -6.0])
def test_what_is_found_is_painted_where_it_is_found_however_low_it_scores(tmp_path, logit):
    """Beside the image as it is labeled."""
    scenes = write_scenes(tmp_path, 2)
    everywhere = Prediction(torch.tensor([[[-9.0, logit]]]), torch.tensor([[[0.5, 0.5, 0.5, 0.5]]]))
    detector = tiny_detector()
    detector.head.register_forward_hook(lambda module, given, answer: everywhere)
    sheet = np.array(sheet_of_predictions(detector, scenes, PREPROCESSING, LABELS))
    labelled, found = sheet[:SIDE, :SIDE], sheet[:SIDE, SIDE + GAP : 2 * SIDE + GAP]
    one = scenes[0].objects[0]
    left, top, _, bottom = (round(side * SIDE / 64) for side in one.box)
    edge = labelled[(top + bottom) // 2, left : left + 4].astype(int)
    assert (np.abs(edge - color_of(one.label)) < 40).all(1).any()
    blue = (np.abs(found.astype(int) - color_of(1)) < 40).all(2)
    assert blue[SIDE // 4 : SIDE // 4 + 6, SIDE // 2].any()
    assert blue[SIDE // 2, SIDE // 4 : SIDE // 4 + 6].any()


def test_a_image_that_is_gone_is_left_out(tmp_path):
    scenes = write_scenes(tmp_path, 3)
    scenes[0].path.unlink()
    assert sheet_of_predictions(tiny_detector(), scenes, PREPROCESSING, LABELS).size == (4 * SIDE + 3 * GAP, SIDE + 18)
    scenes[1].path.unlink()
    scenes[2].path.unlink()
    assert sheet_of_predictions(tiny_detector(), scenes, PREPROCESSING, LABELS).size == (SIDE, SIDE)


def test_what_cannot_be_painted_ends_nothing_and_is_told_once(tmp_path, monkeypatch):
    scenes, told = write_scenes(tmp_path / "scenes", 2), []
    (tmp_path / "run").mkdir()
    batch = collate([target_of(read_sample(one)) for one in scenes], ["a"] * 2, PREPROCESSING)

    def fails(*_, **__):
        raise ValueError("x1 must be greater than or equal to x0")

    monkeypatch.setattr("condetr.training.run.sample_sheets.draw", fails)
    folder = RunFolder(tmp_path / "run", resumes=False)
    sheets = SampleSheets(folder, PREPROCESSING, LABELS, scenes, say=told.append)
    assert list(sheets.saving_first_batches(iter([[batch], [batch]]))) == [[batch], [batch]]
    sheets.save_predictions(tiny_detector())
    sheets.save_curves([{"step": 1, "loss": math.nan}])
    sheets.report_totals()
    assert [event.text for event in told] == [
        "samples/training.jpg could not be written: x1 must be greater than or equal to x0;"
        " training continues, and further failures are only counted",
        "in total 2 charts and sample sheets could not be written",
    ]
    assert (tmp_path / "run/curves.png").exists()
