"""What is painted is where the weights are."""

import numpy as np
import pytest
from PIL import Image

from condetr.charts.sheet import Row, table
from condetr.explain.heatmap import crop, dimmed, heatmap, mark_box, mark_point, share_inside
from condetr.explain.window import Window
from condetr.images.drawing.marks import captioned, fitted, font_of

GRAY = Image.new("RGB", (120, 80), (128, 128, 128))
CELL = (10.0, 20.0)


def spot(row, column):
    weights = np.zeros((8, 6), dtype=np.float32)
    weights[row, column] = 0.5
    return weights


def brightest(tile):
    levels = np.asarray(tile).sum(-1)
    row, column = np.unravel_index(levels.argmax(), levels.shape)
    return column, row


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 2), (7, 5), (5, 0)])
def test_heat_lies_on_its_cell(row, column):
    whole = Window(0, 0, 120, 80)
    tile = heatmap(dimmed(crop(GRAY, whole, 240)), spot(row, column), CELL, whole, most=0.5)
    assert tile.size == (240, 160)
    x, y = brightest(tile)
    assert (int(x / 2 / 20), int(y / 2 / 10)) == (column, row)


def test_heat_in_a_window_lies_on_its_cell():
    window = Window(40, 20, 100, 60)
    tile = heatmap(dimmed(crop(GRAY, window, 120)), spot(3, 2), CELL, window, most=0.5)
    x, y = brightest(tile)
    assert 0 <= x / 2 < 20  # the cell is at 40..60 of the image, 0..20 of the window
    assert 10 <= y / 2 < 20


def test_no_attention_leaves_the_image_bare_and_half_is_dimmer():
    whole = Window(0, 0, 120, 80)
    ground = dimmed(crop(GRAY, whole, 120))
    bare = heatmap(ground, np.zeros((8, 6), dtype=np.float32), CELL, whole, most=0.5)
    assert np.array_equal(np.asarray(bare), np.asarray(ground))
    full, half = (heatmap(ground, spot(3, 2), CELL, whole, most=most) for most in (0.5, 1.0))
    assert np.asarray(full).max() > np.asarray(half).max() > np.asarray(ground).max()


def test_a_cell_may_reach_over_the_edge():
    whole = Window(0, 0, 110, 75)  # the last column and row reach to 120 and 80
    image = GRAY.crop((0, 0, 110, 75))
    tile = heatmap(dimmed(crop(image, whole, 110)), spot(7, 5), CELL, whole, most=0.5)
    x, y = brightest(tile)
    assert x >= 100
    assert y >= 70


@pytest.mark.parametrize("size", [(80, 120), (120, 80), (1, 1), (3, 500)])
@pytest.mark.parametrize(
    "box",
    [
        (10.0, 10.0, 20.0, 20.0),
        (-30.0, -30.0, 5.0, 5.0),
        (0.0, 0.0, 0.0, 0.0),
        (-50.0, -50.0, 900.0, 900.0),
        (110.0, 70.0, 300.0, 200.0),
    ],
)
def test_the_window_is_in_the_image_and_keeps_its_proportions(size, box):
    height, width = size
    window = Window.around(box, [(0.5 * width, 0.5 * height)], size)
    assert 0 <= window.left < window.right <= max(width, window.left + 1)
    assert 0 <= window.top < window.bottom <= max(height, window.top + 1)
    tile = crop(Image.new("RGB", (width, height)), window, 100)
    assert max(tile.size) == 100


def test_the_window_holds_the_box_and_the_point():
    window = Window.around((50.0, 30.0, 60.0, 40.0), [(20.0, 20.0)], (80, 120))
    assert window != Window.whole((80, 120))
    assert window.left <= 20
    assert window.top <= 20
    assert window.right >= 60
    assert window.bottom >= 40


def test_the_share_inside_counts_the_weights_of_the_window():
    weights = (spot(0, 0) + spot(7, 5)).astype(np.float32)
    assert share_inside(weights, CELL, Window(0, 0, 120, 80)) == pytest.approx(1)
    assert share_inside(weights, CELL, Window(0, 0, 60, 40)) == pytest.approx(0.5)
    assert share_inside(weights, CELL, Window(40, 0, 60, 40)) == 0


def test_marks_are_where_they_belong():
    tile = GRAY.copy()
    whole = Window(0, 0, 120, 80)
    mark_box(tile, (20.0, 10.0, 60.0, 50.0), whole)
    mark_point(tile, (90.0, 40.0), whole)
    assert tile.getpixel((20, 30)) == tile.getpixel((60, 30)) == (255, 255, 255)
    assert tile.getpixel((40, 30)) == (128, 128, 128)
    assert tile.getpixel((90, 40)) == (70, 220, 255)


def test_names_that_are_too_long_are_cut():
    font = font_of(14)
    name = fitted("0: “a very long name of a class indeed” 0.93", font, 120.0)
    assert font.getlength(name) <= 120
    assert name.startswith("0: ")
    assert name.endswith("0.93")
    assert "…" in name
    assert fitted("7", font, 120.0) == "7"


def test_a_table_has_room_for_everything():
    tiles = [captioned(Image.new("RGB", (50, 40), (1, 2, 3)), text) for text in "xy"]
    paper = np.asarray(table(["a", "b\nc"], [Row(("name", "more"), tiles) for _ in range(3)]))
    assert ((paper == (1, 2, 3)).all(-1)).sum() == 6 * 50 * 40
