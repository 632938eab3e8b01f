import pytest

from condetr.data.checks.statistics import statistics_of
from condetr.data.discovery.formats import read_dataset
from tests.unit.data.conftest import good_content


def test_counts_and_measures(coco):
    numbers = statistics_of(read_dataset(coco()))
    assert (numbers.pictures, numbers.without_objects, numbers.crowds) == (3, 1, 1)
    assert numbers.objects == {"cat": 3, "dog": 1, "ант": 0}
    assert numbers.by_size == {"small": 3, "medium": 1, "large": 0}
    assert numbers.per_picture[2] == 2
    assert numbers.picture_widths[0] == 64
    assert numbers.picture_heights[-1] == 96
    assert numbers.box_sides[-1] == pytest.approx((64 * 96) ** 0.5)
    assert numbers.proportions[0] == pytest.approx(64 / 96)
    assert numbers.to_dict()["objects"] == {"cat": 3, "dog": 1, "ант": 0}


def test_without_objects(coco):
    content = good_content()
    content["annotations"] = []
    numbers = statistics_of(read_dataset(coco(content)))
    assert numbers.box_sides == ()
    assert numbers.without_objects == 3
