"""More or fewer object queries for a trained network."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from condetr.core.errors import CheckpointError
from condetr.model.config import DetectorConfig

TABLE = "body.decoder.object_queries"
# Of the table's standard deviation. Copies must differ, or they would learn the same for ever, and should still do what
# their originals do: this moves the reference points of condetr/digits, .2 of the image apart, by .01 on average.
NOISE = 0.1


def with_queries(
    config: DetectorConfig, tensors: Mapping[str, Tensor], count: int, notes: list[str]
) -> tuple[DetectorConfig, dict[str, Tensor]]:
    """Keep the first ``count`` object queries, or repeat all of them with noise until there are as many.

    Noise is drawn from the generator of torch.

    Raises:
        CheckpointError: ``count`` is no positive whole number.
    """
    if type(count) is not int or count < 1:
        raise CheckpointError(f"is {count!r}, expected a whole number of at least 1", item="num_queries")
    before = config.num_queries
    if count == before:
        return config, dict(tensors)
    resized = _resized(tensors[TABLE], count)
    change = f"repeated with noise from {before}" if count > before else f"the first of {before}"
    notes.append(f"object queries: {count}, {change}")
    return replace(config, num_queries=count), {**tensors, TABLE: resized}


def _resized(table: Tensor, count: int) -> Tensor:
    repeated = table.repeat(-(-count // len(table)), 1)[:count].float()
    copies = repeated[len(table) :]
    copies += NOISE * table.float().std() * torch.randn_like(copies)
    return repeated
