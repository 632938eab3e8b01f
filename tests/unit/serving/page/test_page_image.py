"""What the page shows of one image."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.images.detections import Detections
from condetr.serving.page.page_image import PageImage


@pytest.fixture
def shown():
    found = Detections(
        boxes=torch.tensor([[10.0, 10.0, 60.0, 60.0], [20.0, 20.0, 40.0, 40.0], [-5.0, 70.0, 150.0, 90.0]]),
        scores=torch.tensor([0.9, 0.6, 0.2]),
        labels=torch.tensor([0, 1, 0]),
        names=("<b>cat</b>", "dog", "<b>cat</b>"),
        size=(100, 120),
    )
    return PageImage(Image.new("RGB", (120, 100), (200, 100, 50)), found)


def test_a_threshold_leaves_out_and_renumbers_nothing(shown):
    assert [row[:3] for row in shown.rows(0.0)] == [[0, "<b>cat</b>", 0.9], [1, "dog", 0.6], [2, "<b>cat</b>", 0.2]]
    assert [row[0] for row in shown.rows(0.5)] == [0, 1]
    assert shown.rows(0.95) == []
    assert [detection["name"] for detection in json.loads(shown.json(0.5))["detections"]] == ["<b>cat</b>", "dog"]


def test_a_click_finds_the_smallest_box_around_it(shown):
    zoom = shown.zoom
    assert zoom == 5
    assert shown.at(30 * zoom, 30 * zoom, 0.5) == 1
    assert shown.at(12 * zoom, 12 * zoom, 0.5) == 0
    assert shown.at(30 * zoom, 30 * zoom, 0.7) == 0
    assert shown.at(100 * zoom, 10 * zoom, 0.0) is None


@pytest.mark.parametrize("selected", [0, 1, 2])
def test_outside_the_selected_detection_it_is_dark(shown, selected):
    everything, first = (np.array(shown.painted(0.1, which)) for which in (None, selected))
    assert everything.shape == first.shape == (500, 600, 3)
    assert (everything[490, 10] == (200, 100, 50)).all()
    assert (first[490, 10] < (100, 60, 30)).all()
    x1, y1, x2, y2 = (int(side * 5) for side in shown.detections[selected].box)
    inside = first[(max(y1, 0) + y2) // 2, (max(x1, 0) + min(x2, 600)) // 2]
    assert (inside == (200, 100, 50)).all()


def test_an_index_below_the_threshold_selects_nothing(shown):
    assert (np.array(shown.painted(0.5, 2)) == np.array(shown.painted(0.5))).all()


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
    shown = PageImage(Image.new("RGB", (40, 30)), found)
    painted = np.array(shown.painted(0.5))
    assert painted.shape == (450, 600, 3)
    assert painted[225, 225].any()
    assert not painted[100, 500].any()


def test_a_large_image_is_left_as_large_as_it_is():
    empty = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), (), (700, 900))
    shown = PageImage(Image.new("RGB", (900, 700)), empty)
    assert shown.zoom == 1
    assert shown.painted(0.5).size == (900, 700)
    assert shown.rows(0.0) == []
