"""Detects changed weights: an accelerated copy has the outputs of its model as that was when the copy was made."""

from typing import TypeAlias
from zlib import crc32

import torch
from torch import Tensor, nn

WeightsVersion: TypeAlias = tuple[tuple[int, int], ...]


def weights_version(model: nn.Module) -> WeightsVersion:
    """Equal as long as no parameter or buffer is written to or moved: torch counts the writes."""
    return tuple((tensor.data_ptr(), _version_of(tensor)) for tensor in (*model.parameters(), *model.buffers()))


def _version_of(tensor: Tensor) -> int:
    if tensor.is_inference():
        return 0
    writes = getattr(tensor, "_version", None)
    if writes is None:  # a torch without this counter: slower, by content
        return crc32(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return writes
