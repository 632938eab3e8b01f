"""Whether weights have changed since: a fast copy answers like the model that it was made from, as that was then."""

from typing import TypeAlias

from torch import nn

Moment: TypeAlias = tuple[tuple[int, int], ...]


def weights_version(model: nn.Module) -> Moment:
    """Equal as long as no weight or statistic is written to or moved: torch counts the writes."""
    tensors = (*model.parameters(), *model.buffers())
    return tuple((tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in tensors)
