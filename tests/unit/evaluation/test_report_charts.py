"""What charts show is where it must be; whether they please was looked at."""

import numpy as np
import pytest

from condetr.charts.bars import Bar, bars_chart
from condetr.charts.sheet import INK, color_key
from condetr.evaluation.confusion import Confusion
from condetr.evaluation.curves import Curve, Curves
from condetr.evaluation.error_kinds import Errors
from condetr.evaluation.report_charts import KIND_COLORS, confusion_chart, curves_chart, errors_chart
from condetr.evaluation.tide import ERRORS
from condetr.evaluation.worst import worst_images
from tests.unit.evaluation.scored import detections, perfect


def places_of(image, color, tolerance=12):
    """(rows, columns) of the pixels of this color."""
    return np.nonzero((np.abs(np.asarray(image).astype(int) - color) <= tolerance).all(-1))


def curve(precision):
    return Curve((precision,) * 101, (0.5,) * 101)


@pytest.mark.parametrize(("precision", "height"), [(1.0, 68), (0.5, 68 + 260), (0.0, 68 + 520)])
def test_a_curve_is_at_the_height_of_its_precision(precision, height):
    chart = curves_chart(Curves({"cat": curve(precision)}))
    rows, columns = places_of(chart, INK)
    inside = (columns > 70) & (columns < 578)
    longest = np.bincount(rows[inside]).argmax()
    assert abs(longest - height) <= 2


def test_of_many_classes_the_worst_are_shown():
    many = curves_chart(Curves({f"class {number}": curve(number / 100) for number in range(100)}))
    some = curves_chart(Curves({f"class {number}": curve(number / 100) for number in range(20)}))
    assert many.height == some.height


@pytest.mark.parametrize(("count", "cell"), [(2, 44), (30, 28), (90, 18)])
def test_the_darkest_cell_of_a_row_is_its_largest_count(count, cell):
    matrix = np.eye(count + 1, dtype=int)
    matrix[0] = 1
    matrix[0, -1] = 500
    names = tuple(f"class {number}" for number in range(count))
    chart = confusion_chart(Confusion(names, tuple(map(tuple, matrix.tolist())), 0.5))
    rows, columns = places_of(chart, (20, 60, 120), tolerance=4)
    right, top = columns.max(), rows.min()
    assert np.all((columns > right - cell) == ((rows < top + cell) | (rows > rows.max() - cell)))
    assert max(chart.size) < 2400


def test_bars_are_as_long_as_their_values():
    red, blue = (200, 0, 0), (0, 0, 200)
    chart = bars_chart(
        "title",
        [Bar("one", [(1.0, red)], "1"), Bar("half", [(0.5, blue)], "0.5"), Bar("none", [(0.0, INK)], "0")],
        width=400,
    )
    lengths = [np.ptp(places_of(chart, color)[1]) for color in (red, blue)]
    assert lengths == pytest.approx([400, 200], abs=2)


def test_every_kind_of_error_has_a_bar():
    assert set(KIND_COLORS) == {kind.word for kind in ERRORS}
    counts = {kind.word: int(kind) for kind in ERRORS}
    costs = {kind.word: kind / 10 for kind in ERRORS}
    chart = errors_chart(Errors(counts, costs, 10, 5, 0.5))
    for color in KIND_COLORS.values():
        assert len(places_of(chart, color)[0]) > 500


def test_the_worst_images_come_first(scenes):
    found = perfect(scenes)
    found[7] = detections(scenes, [], 7)
    assert worst_images(scenes, perfect(scenes), threshold=0.5) is None
    one = worst_images(scenes, found, threshold=0.5)
    found[9] = detections(scenes, [(0, 0.9, 0, 0, 9, 9)], 9)
    two = worst_images(scenes, found, threshold=0.5)
    key = color_key((name, INK) for name in ("hit", *KIND_COLORS))
    assert one.size == (key.width + 16, two.height)
    missed, background = (KIND_COLORS[kind] for kind in ("missed", "background"))
    assert len(places_of(one, missed)[0]) > 300
    assert len(places_of(two, background)[0]) > len(places_of(one, background)[0]) + 100
    assert worst_images(scenes, found, threshold=0.5, shown=1).size == one.size
