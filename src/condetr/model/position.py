"""Position embeddings of the cells of a grid and of arbitrary points."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.core.errors import UsageError
from condetr.core.shapes import GridMask, Memory, Points, Queries

TEMPERATURE = 10_000.0  # of the wavelengths; Vaswani et al. 2017
LEARNED_LIMIT = 50  # rows and columns with a learned embedding; DETR's published models have 50


def sine_embedding(coordinate: Float[Tensor, "*axes"], width: int) -> Float[Tensor, "*axes {width}"]:
    """Interleaved sin and cos of one coordinate, which spans [0, 1] over the image.

    Computed in fp32 whatever the precision of the network: bf16 distinguishes only 256 positions.
    """
    exponent = torch.arange(0, width, 2, device=coordinate.device) / width
    angle = coordinate.float()[..., None] * (2 * math.pi) / TEMPERATURE**exponent
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)[..., :width]


def embed_points(points: Points, width: int) -> Queries:
    """Embed (x, y) points. As in DETR, the y half comes before the x half."""
    x, y = points.unbind(-1)
    return torch.cat((sine_embedding(y, width // 2), sine_embedding(x, width // 2)), dim=-1).to(points.dtype)


class SineGrid(nn.Module):
    """Embeds each cell by its rank among the real cells of its column and row. Any size."""

    limit: int | None = None

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = channels // 2

    def forward(self, mask: GridMask) -> Memory:
        y, x = mask.cumsum(1, dtype=torch.float32), mask.cumsum(2, dtype=torch.float32)
        y, x = y / (y[:, -1:, :] + 1e-6), x / (x[:, :, -1:] + 1e-6)
        return torch.cat((sine_embedding(y, self.width), sine_embedding(x, self.width)), dim=-1).flatten(1, 2)


class LearnedGrid(nn.Module):
    """One embedding per column and one per row, concatenated; padding makes no difference."""

    limit: int | None = LEARNED_LIMIT

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.rand(LEARNED_LIMIT, channels // 2))
        self.columns = nn.Parameter(torch.rand(LEARNED_LIMIT, channels // 2))

    def forward(self, mask: GridMask) -> Memory:
        batch, rows, columns = mask.shape
        across = self.columns[None, :columns].expand(rows, -1, -1)
        down = self.rows[:rows, None].expand(-1, columns, -1)
        return torch.cat((across, down), dim=-1).flatten(0, 1).expand(batch, -1, -1)


def check_grid_fits(grid: SineGrid | LearnedGrid, rows: int, columns: int, stride: int) -> None:
    """Reject an image that is too large for the position embedding, before anything is computed."""
    if grid.limit is not None and max(rows, columns) > grid.limit:
        raise UsageError(
            f"the image has {rows} x {columns} cells, but learned positions have {grid.limit} x {grid.limit}",
            item="position_embedding_type",
            hint=f"resize it to at most {grid.limit * stride} pixels a side, or use a model with sine positions",
        )
