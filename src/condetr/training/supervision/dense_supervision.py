"""A dense auxiliary head: every cell of the encoder's output predicts the object that it belongs to.

Queries learn where to look only once the features show what is where, and one matched query per object teaches the
backbone and the encoder little. A head that is supervised in every cell teaches them more (Co-DETR, Zong et al. 2023);
it goes on where backbone pretraining ends, with boxes, and is dropped after training.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.core.records import Target
from condetr.core.shapes import GridMask, Memory
from condetr.losses.dense import dense_loss
from condetr.losses.loss_weights import LossWeights
from condetr.model.config import DetectorConfig
from condetr.model.heads import DetectionHead
from condetr.training.supervision.cell_objects import cell_objects

EDGE = 1e-3  # the least distance of a center from the edge of the image, whose logit is infinite


class DenseSupervision(nn.Module):
    """A detection head as that of the queries; the reference point of a cell is its center."""

    def __init__(self, config: DetectorConfig, weights: LossWeights, weight: float, until: float) -> None:
        """``weight`` falls linearly to 0 at the fraction ``until`` of the training."""
        super().__init__()
        self.head = DetectionHead.fresh(config)
        self._weights, self._weight, self._until = weights, weight, until

    def weight(self, done: float) -> float:
        """At the fraction ``done`` of the training."""
        return self._weight * max(0.0, 1 - done / self._until)

    def forward(self, memory: Memory, cells: GridMask, targets: Sequence[Target], objects: float) -> Float[Tensor, ""]:
        """The unweighted loss of the encoder's output; ``cells`` hold real pixels."""
        prediction = self.head(memory.float(), centers_of(cells).logit(EDGE))
        return dense_loss(prediction, targets, cell_objects(targets, cells).flatten(1), objects, self._weights)


def centers_of(cells: GridMask) -> Float[Tensor, "batch cells 2"]:
    """The centers (x, y) of the cells, relative to the image without padding."""
    rows, columns = cells.any(2).sum(1), cells.any(1).sum(1)
    y, x = ((torch.arange(side, device=cells.device) + 0.5) for side in cells.shape[1:])
    y, x = y[None, :, None] / rows[:, None, None], x[None, None, :] / columns[:, None, None]
    return torch.stack(torch.broadcast_tensors(x, y), dim=-1).flatten(1, 2)
