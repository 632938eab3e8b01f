"""A new class head, with the rows of classes that the old one has."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from condetr.checkpoints.tensors import listed
from condetr.core.errors import CheckpointError
from condetr.model.config import DetectorConfig
from condetr.model.heads import DetectionHead

ROWS = ("head.classes.weight", "head.classes.bias")


def with_classes(
    config: DetectorConfig,
    tensors: Mapping[str, Tensor],
    labels: Mapping[int, str],
    classes: Sequence[str],
    notes: list[str],
) -> tuple[DetectorConfig, dict[str, Tensor]]:
    """Replace the rows of the class head: copied for names in ``labels``, new for others.

    Where the model has one class and none of these, all begin as that class: it separates objects from background, and
    each of n new classes is a class of one of n objects.

    Raises:
        CheckpointError: ``classes`` is empty or has duplicates.
    """
    if isinstance(classes, str) or not classes or len(set(classes)) != len(classes):
        raise CheckpointError(f"is {classes!r}, expected different class names", item="classes")
    config = replace(config, num_labels=len(classes))
    numbers = {name: number for number, name in labels.items()}
    kept = {row: numbers[name] for row, name in enumerate(classes) if name in numbers}
    fresh = {f"head.{name}": tensor for name, tensor in DetectionHead.fresh(config).state_dict().items()}
    rows = {name: fresh[name] for name in ROWS}
    for name in ROWS:
        if name in tensors:
            rows[name][list(kept)] = tensors[name][list(kept.values())].to(rows[name].dtype)
    copied = [classes[row] for row in kept] if ROWS[0] in tensors else []
    new = [name for name in classes if name not in copied]
    if len(labels) == 1 and not copied and ROWS[0] in tensors:
        weight, bias = (tensors[name].to(rows[name].dtype) for name in ROWS)
        rows = dict(zip(ROWS, (weight.repeat(len(new), 1), bias.repeat(len(new)) - math.log(len(new))), strict=True))
        notes.append(f"new class head: {listed(new)} begin as {next(iter(labels.values()))}")
        return config, {**tensors, **rows}
    notes.append(f"new class head: copied {listed(copied) or 'none'}; freshly initialized {listed(new) or 'none'}")
    return config, {**tensors, **rows}
