import pytest
import torch

from condetr.images.masks.box import box_of_mask


@pytest.mark.parametrize(
    ("rows", "columns", "box"),
    [(slice(5, 6), slice(7, 8), (7, 5, 8, 6)), (slice(2, 4), slice(1, 8, 3), (1, 2, 8, 4))],
)
def test_a_box_reaches_from_the_first_to_the_end_of_the_last_pixel(rows, columns, box):
    mask = torch.zeros(6, 8, dtype=torch.bool)
    mask[rows, columns] = True
    assert box_of_mask(mask) == box


def test_an_empty_mask_has_no_box():
    with pytest.raises(IndexError):
        box_of_mask(torch.zeros(6, 8, dtype=torch.bool))
