import pytest
import torch

from condetr.model.transformer import corners, grid_mask


@pytest.mark.parametrize("stride", [4, 8, 16, 32])
def test_the_corners_of_cells_are_those_of_torchs_interpolation(stride):
    """Each bit of the number of its column is a mask, so that cells tell which pixel they took."""
    for size in (*range(1, 400), 560, 800, 1066, 1333, 2047):
        cells, numbers = -(-size // stride), torch.arange(size)
        for bit in range(11):
            mask = (numbers >> bit & 1).bool()[None, None].expand(1, 2, size)
            pixels = torch.zeros(1, 3, 2, size)
            assert torch.equal(corners(mask, 1, cells), grid_mask(pixels, mask, 1, cells)), size
