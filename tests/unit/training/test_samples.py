import numpy as np
import torch

from condetr.core.records import Prediction
from condetr.data.batches import collate
from condetr.data.samples import read_sample, target_of
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.training.samples import GAP, SIDE, sheet_of_batches, sheet_of_predictions
from tests.unit.training.networks import tiny_detector
from tests.unit.training.scenes import write_scenes

PREPROCESSING = Preprocessing(size=Edges(64, 64))
LABELS = {0: "red", 1: "blue"}


def test_training_pictures_are_shown_in_their_own_colours_with_their_boxes(tmp_path):
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
    np.testing.assert_allclose(inside, expected, atol=3)  # one level of normalising, two of enlarging


def test_what_is_found_is_painted_where_it_is_found(tmp_path):
    scenes = write_scenes(tmp_path, 2)

    everywhere = Prediction(torch.tensor([[[-9.0, 9.0]]]), torch.tensor([[[0.5, 0.5, 0.5, 0.5]]]))
    detector = tiny_detector()
    detector.head.register_forward_hook(lambda module, given, answer: everywhere)
    sheet = np.array(sheet_of_predictions(detector, scenes, PREPROCESSING, LABELS))
    blue = (sheet[:, :SIDE, 2] > 200) & (sheet[:, :SIDE, 0] < 100)
    assert blue[SIDE // 4 : SIDE // 4 + 6, SIDE // 2].any()
    assert blue[SIDE // 2, SIDE // 4 : SIDE // 4 + 6].any()


def test_a_picture_that_is_gone_is_left_out(tmp_path):
    scenes = write_scenes(tmp_path, 3)
    scenes[0].path.unlink()
    assert sheet_of_predictions(tiny_detector(), scenes, PREPROCESSING, LABELS).size == (2 * SIDE + GAP, SIDE)
    scenes[1].path.unlink()
    scenes[2].path.unlink()
    assert sheet_of_predictions(tiny_detector(), scenes, PREPROCESSING, LABELS).size == (SIDE, SIDE)
