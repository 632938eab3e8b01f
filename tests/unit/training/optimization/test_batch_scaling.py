import pytest

from condetr.training.optimization.batch_scaling import accumulation, rate_scale


@pytest.mark.parametrize(
    ("setting", "images", "expected"), [("auto", 2, 8), ("auto", 16, 1), ("auto", 64, 1), (3, 2, 3)]
)
def test_auto_accumulates_up_to_the_reference_batch(setting, images, expected):
    assert accumulation(setting, 16, images) == expected
    assert accumulation("auto", 0, images) == 1


def test_rates_grow_with_the_square_root_of_the_batch():
    assert rate_scale(16, 16) == rate_scale(0, 64) == 1
    assert rate_scale(4, 16) == 2
    assert rate_scale(16, 4) == 0.5
