"""The box around the pixels of a mask."""

from jaxtyping import Bool
from torch import Tensor


def box_of_mask(mask: Bool[Tensor, "height width"]) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 in pixels: from the first column and row to the end of the last ones.

    Raises:
        IndexError: the mask has no pixel.
    """
    columns, rows = mask.any(dim=0).nonzero()[:, 0], mask.any(dim=1).nonzero()[:, 0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
