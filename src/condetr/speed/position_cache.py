"""The embedding of the grid, kept from one image to the next of its size."""

import torch

from condetr.core.shapes import GridMask, Memory
from condetr.model.detector import ConditionalDetr
from condetr.model.position import SineGrid
from condetr.speed.fast_detector import FastDetector, copied, exchanged, has_taken

STEP = "the grid of a size embedded once"
_MOST = 8  # sizes: a folder of images has few


@torch.no_grad()
def cache_position_grids(model: ConditionalDetr | FastDetector) -> FastDetector:
    """Of sine positions; where something is padded they are embedded each time. Learned positions cost nothing."""
    if has_taken(model, STEP):
        return model
    model = copied(model)
    position = model.network.position
    return exchanged(model, STEP, {position: CachedGrid(position)} if isinstance(position, SineGrid) else {})


class CachedGrid(SineGrid):
    def __init__(self, plain: SineGrid) -> None:
        super().__init__(2 * plain.width)
        self._kept: dict[object, Memory] = {}

    def forward(self, mask: GridMask) -> Memory:
        if not mask.all():
            return super().forward(mask)
        batch, *size = mask.shape
        kind = (*size, mask.device)
        grid = self._kept.get(kind)
        if grid is None:
            grid = super().forward(mask[:1])
            if len(self._kept) >= _MOST:
                self._kept.clear()
            self._kept[kind] = grid
        return grid.expand(batch, -1, -1)
