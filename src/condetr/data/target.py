"""An example as what a model is trained towards."""

import torch

from condetr.core.boxes import xyxy_to_cxcywh
from condetr.core.records import Target
from condetr.data.outlines import mask_of_outline
from condetr.data.records import Example


def target_of(example: Example, *, masks: bool = False) -> Target:
    """Labels and boxes relative to the picture; with ``masks``, bit maps at the picture's size."""
    height, width = example.size
    boxes = torch.tensor([one.box for one in example.objects], dtype=torch.float32).reshape(-1, 4)
    each = [mask_of_outline(one.segmentation, example.size) for one in example.objects] if masks else []
    return Target(
        labels=torch.tensor([one.label for one in example.objects], dtype=torch.int64),
        boxes=xyxy_to_cxcywh(boxes / torch.tensor([width, height, width, height])),
        masks=torch.stack(each) if each else (torch.zeros((0, height, width), dtype=torch.bool) if masks else None),
    )
