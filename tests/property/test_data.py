import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condetr.data.box_clipping import clip_box
from condetr.data.checks.data_report import DataProblem, DataReport
from condetr.data.checks.problems import Outcome

numbers = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-50, 150)
sizes = st.tuples(st.integers(1, 100), st.integers(1, 100))


@given(st.tuples(numbers, numbers, numbers, numbers), sizes)
def test_a_box_is_inside_and_has_area_or_is_left_out_and_every_change_is_reported(corners, size):
    report = DataReport()
    height, width = size
    box = None
    with report.at("file") as location:
        box = clip_box(corners, size, location, stated=corners)
    if box is None:
        assert [kind.outcome for kind in report.counts] == [Outcome.LEFT_OUT]
    else:
        assert 0 <= box[0] < box[2] <= width
        assert 0 <= box[1] < box[3] <= height
        moved = max(abs(now - then) for now, then in zip(box, corners, strict=True))
        assert bool(report) == (moved >= 0.02), "less is what two decimals lose"
        assert all(map(math.isfinite, corners))


@given(st.tuples(*[st.floats(0, 1)] * 4), sizes)
def test_a_box_inside_is_taken_as_it_is(fractions, size):
    height, width = size
    (x1, x2), (y1, y2) = sorted(fractions[:2]), sorted(fractions[2:])
    corners = (x1 * width, y1 * height, x2 * width, y2 * height)
    report = DataReport()
    if corners[0] < corners[2] and corners[1] < corners[3]:
        assert clip_box(corners, size, report.at("file"), stated=corners) == corners
    else:
        with pytest.raises(DataProblem):
            clip_box(corners, size, report.at("file"), stated=corners)
    assert not report
