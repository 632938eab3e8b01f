import numpy as np
import pytest

from condetr.explain.regions import center_of, ordered, region_of

CELL = (10.0, 20.0)  # of a grid of 8 rows and 6 columns on an image of 120 x 80
BOX = (20.0, 20.0, 80.0, 60.0)


def spot(row, column):
    weights = np.zeros((8, 6), dtype=np.float32)
    weights[row, column] = 1
    return weights


def test_the_centre_is_where_the_weights_are():
    assert center_of(spot(0, 0), CELL) == (10, 5)
    assert center_of((spot(2, 1) + spot(4, 3)) / 2, CELL) == (50, 35)


@pytest.mark.parametrize(
    ("row", "column", "region"),
    [(4, 1, "left"), (4, 4, "right"), (1, 2, "top"), (6, 2, "bottom"), (0, 0, "top"), (7, 2, "bottom")],
)
def test_a_side_is_named_by_where_the_centre_lies(row, column, region):
    assert region_of(spot(row, column), BOX, CELL) == region


def test_the_middle_is_no_side():
    assert region_of((spot(3, 2) + spot(4, 2)) / 2, BOX, CELL) == "middle"


def test_weights_everywhere_are_of_no_place():
    even = np.full((8, 6), 1 / 48, dtype=np.float32)
    assert region_of(even, BOX, CELL) == "spread"
    half = even.copy()
    half[:, 2:] = 0
    assert region_of(half / half.sum(), BOX, CELL) == "left"


def test_a_box_without_extent_has_sides_too():
    assert region_of(spot(4, 5), (50.0, 45.0, 50.0, 45.0), CELL) == "right"


def test_heads_of_one_part_stand_side_by_side():
    assert ordered(("bottom", "left", "spread", "left", "top", "middle")) == [1, 3, 4, 0, 5, 2]
