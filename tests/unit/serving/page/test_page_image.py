"""What a page shows of one look at an image."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.images.detections import Detections
from condetr.serving.page.page_image import Look


@pytest.fixture
def look():
    found = Detections(
        boxes=torch.tensor([[10.0, 10.0, 60.0, 60.0], [20.0, 20.0, 40.0, 40.0], [-5.0, 70.0, 150.0, 90.0]]),
        scores=torch.tensor([0.9, 0.6, 0.2]),
        labels=torch.tensor([0, 1, 0]),
        names=("<b>cat</b>", "dog", "<b>cat</b>"),
        size=(100, 120),
    )
    return Look(Image.new("RGB", (120, 100), (200, 100, 50)), found)


def test_a_threshold_leaves_out_and_renumbers_nothing(look):
    assert [row[:3] for row in look.rows(0.0)] == [[0, "<b>cat</b>", 0.9], [1, "dog", 0.6], [2, "<b>cat</b>", 0.2]]
    assert [row[0] for row in look.rows(0.5)] == [0, 1]
    assert look.rows(0.95) == []
    assert [one["name"] for one in json.loads(look.json(0.5))["detections"]] == ["<b>cat</b>", "dog"]


def test_a_click_finds_the_smallest_box_around_it(look):
    zoom = look.zoom
    assert zoom == 5
    assert look.at(30 * zoom, 30 * zoom, 0.5) == 1
    assert look.at(12 * zoom, 12 * zoom, 0.5) == 0
    assert look.at(30 * zoom, 30 * zoom, 0.7) == 0
    assert look.at(100 * zoom, 10 * zoom, 0.0) is None


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_one_that_is_chosen_is_alone_in_the_light(look, chosen):
    everything, one = (np.array(look.painted(0.1, which)) for which in (None, chosen))
    assert everything.shape == one.shape == (500, 600, 3)
    assert (everything[490, 10] == (200, 100, 50)).all()
    assert (one[490, 10] < (100, 60, 30)).all()
    x1, y1, x2, y2 = (int(side * 5) for side in look.found[chosen].box)
    inside = one[(max(y1, 0) + y2) // 2, (max(x1, 0) + min(x2, 600)) // 2]
    assert (inside == (200, 100, 50)).all()


def test_a_place_below_the_threshold_is_none(look):
    assert (np.array(look.painted(0.5, 2)) == np.array(look.painted(0.5))).all()


def test_masks_are_painted_as_large_as_their_image():
    masks = torch.zeros(1, 30, 40, dtype=torch.bool)
    masks[0, 10:20, 10:20] = True
    found = Detections(
        boxes=torch.tensor([[10.0, 10.0, 20.0, 20.0]]),
        scores=torch.tensor([0.9]),
        labels=torch.tensor([0]),
        names=("cat",),
        size=(30, 40),
        masks=masks,
    )
    look = Look(Image.new("RGB", (40, 30)), found)
    painted = np.array(look.painted(0.5))
    assert painted.shape == (450, 600, 3)
    assert painted[225, 225].any()
    assert not painted[100, 500].any()


def test_a_large_image_is_left_as_large_as_it_is():
    empty = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), (), (700, 900))
    look = Look(Image.new("RGB", (900, 700)), empty)
    assert look.zoom == 1
    assert look.painted(0.5).size == (900, 700)
    assert look.rows(0.0) == []
