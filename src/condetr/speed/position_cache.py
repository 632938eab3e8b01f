"""Position embeddings cached by grid size."""

import torch

from condetr.core.shapes import GridMask, Memory
from condetr.model.detector import ConditionalDetr
from condetr.model.position import SineGrid
from condetr.speed.fast_detector import FastDetector, fast_copy, has_step, replace_modules

STEP = "position embeddings cached by grid size"
_MOST_BYTES = 16 << 20  # for all sizes of images


@torch.no_grad()
def cache_position_grids(model: ConditionalDetr | FastDetector) -> FastDetector:
    """For sine positions; padded batches are embedded each time. Learned positions cost nothing."""
    if has_step(model, STEP):
        return model
    model = fast_copy(model)
    position = model.network.body.position
    return replace_modules(model, STEP, {position: CachedGrid(position)} if isinstance(position, SineGrid) else {})


class CachedGrid(SineGrid):
    def __init__(self, plain: SineGrid) -> None:
        super().__init__(2 * plain.width)
        self._grids: dict[object, Memory] = {}

    def forward(self, mask: GridMask) -> Memory:
        if not mask.all():
            return super().forward(mask)
        batch, *size = mask.shape
        key = (*size, mask.device)
        grid = self._grids.get(key)
        if grid is None:
            grid = super().forward(mask[:1])
            if (len(self._grids) + 1) * grid.nbytes > _MOST_BYTES:
                self._grids.clear()
            self._grids[key] = grid
        return grid.expand(batch, -1, -1)
