"""A copy of a detector that fits other classes, and has more or fewer object queries."""

from collections.abc import Mapping, Sequence

import torch

from condetr.checkpoints.class_head import with_classes
from condetr.checkpoints.empty_network import assembled, skeleton_of
from condetr.checkpoints.object_queries import with_queries
from condetr.model.detector import ConditionalDetr


def fitted_copy(
    detector: ConditionalDetr, labels: Mapping[int, str], classes: Sequence[str], num_queries: int | None = None
) -> tuple[ConditionalDetr, tuple[str, ...]]:
    """A copy with a new class head, and notes on what is new; the detector itself does not change.

    Raises:
        CheckpointError: ``classes`` is empty or has duplicates, or ``num_queries`` is no positive whole number.
    """
    notes: list[str] = []
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in detector.state_dict().items()}
    config, tensors = with_classes(detector.config, tensors, labels, classes, notes)
    if num_queries is not None:
        config, tensors = with_queries(config, tensors, num_queries, notes)
    return assembled(skeleton_of(config, type(detector)), tensors, torch.float32), tuple(notes)
