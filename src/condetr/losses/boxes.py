"""Box losses of matched queries: L1 and generalized IoU, summed per layer."""

from jaxtyping import Float
from torch import Tensor

from condetr.core.boxes import cxcywh_to_xyxy, generalized_iou


def l1_losses(
    boxes: Float[Tensor, "layers matches 4"], objects: Float[Tensor, "layers matches 4"]
) -> Float[Tensor, "layers"]:
    return (boxes - objects).abs().sum((1, 2))


def giou_losses(
    boxes: Float[Tensor, "layers matches 4"], objects: Float[Tensor, "layers matches 4"]
) -> Float[Tensor, "layers"]:
    return (1 - generalized_iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(objects))).sum(1)
