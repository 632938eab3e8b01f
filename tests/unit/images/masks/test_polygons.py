import pytest
import torch

from condetr.images.masks.polygons import check_polygons, mask_of_polygons


def test_a_rectangle_covers_its_pixels():
    expected = torch.zeros(6, 8, dtype=torch.bool)
    expected[1:4, 2:7] = True
    assert torch.equal(mask_of_polygons([[2, 1, 7, 1, 7, 4, 2, 4]], (6, 8)), expected)


def test_polygons_of_one_object_are_united():
    left, right = [0, 0, 2, 0, 2, 2, 0, 2], [1, 0, 4, 0, 4, 2, 1, 2]
    assert mask_of_polygons([left, right], (2, 4)).all()


def test_polygons_are_clipped_to_the_image():
    assert mask_of_polygons([[-50, -50, 50, -50, 50, 50, -50, 50]], (3, 4)).all()
    assert not mask_of_polygons([[10, 10, 20, 10, 20, 20]], (3, 4)).any()


@pytest.mark.parametrize(
    ("polygons", "says"),
    [
        ([], "no polygon"),
        ([[1, 2, 3, 4]], "three points"),
        ([[1, 2, 3, 4, 5, 6, 7]], "three points"),
        ([3], "three points"),
        ([[float("nan"), 1, 2, 3, 4, 5]], "not finite"),
        ([["a", 1, 2, 3, 4, 5]], "not a number"),
        ([[1e30, 1, 2, 3, 4, 5]], "far outside"),
        ([[3e6, 1, 2, 3, 4, 5]], "far outside"),
    ],
)
def test_unusable_polygons_are_refused(polygons, says):
    with pytest.raises(ValueError, match=says):
        mask_of_polygons(polygons, (6, 8))
    with pytest.raises(ValueError, match=says):
        check_polygons(polygons)
