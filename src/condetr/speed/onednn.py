"""Convolutions that add and activate in their own pass over the map, by oneDNN, with weights laid out beforehand."""

from typing import Any

import torch

from condetr.core.shapes import FeatureMap
from condetr.model.detector import ConditionalDetr
from condetr.speed.convolution import FoldedConvolution
from condetr.speed.fast_detector import FastDetector, exchanged, has_taken
from condetr.speed.folding import fold_norms

STEP = "convolutions packed for oneDNN, which adds and activates in passing"
_OPERATIONS = ("_convolution_pointwise", "_convolution_pointwise_", "_reorder_convolution_weight")


def is_available() -> bool:
    """Whether this build of torch has what torch's own compiler calls on processors."""
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATIONS)


@torch.no_grad()
def pack_convolutions(model: ConditionalDetr | FastDetector) -> FastDetector:
    """On a processor where oneDNN `is_available`, in single precision."""
    if has_taken(model, STEP):
        return model
    model = fold_norms(model)
    plain = [part for part in model.modules() if type(part) is FoldedConvolution]
    return exchanged(model, STEP, {conv: PackedConvolution(conv) for conv in plain})


class PackedConvolution(FoldedConvolution):
    """The best layout of the weights depends on the size of the map: they are packed again when it changes.

    Weights in the layout for another size are still right, but up to 50 times as slow.
    """

    def __init__(self, conv: FoldedConvolution) -> None:
        super().__init__(conv.weight, conv.bias, conv.pace)
        self._packed: tuple[torch.Size, torch.Tensor] | None = None

    def forward(self, x: FeatureMap) -> FeatureMap:
        return self._convolved(x, "none")

    def activated(self, x: FeatureMap) -> FeatureMap:
        return self._convolved(x, "relu")

    def onto(self, x: FeatureMap, passed_on: FeatureMap) -> FeatureMap:
        given = passed_on, x, self._weight_for(x), self.bias, *self._how
        return torch.ops.mkldnn._convolution_pointwise_(*given, "add", 1.0, "relu", [], "")

    def _convolved(self, x: FeatureMap, activation: str) -> FeatureMap:
        given = x, self._weight_for(x), self.bias, *self._how
        return torch.ops.mkldnn._convolution_pointwise(*given, activation, [], "")

    @property
    def _how(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]:
        return self.pace.padding, self.pace.stride, self.pace.dilation, 1

    def __getstate__(self) -> dict[str, Any]:
        """What is copied: oneDNN's own layout is not."""
        return self.__dict__ | {"_packed": None}

    def _weight_for(self, x: FeatureMap) -> torch.Tensor:
        packed = self._packed
        if packed is None or packed[0] != x.shape:
            weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self._how, list(x.shape))
            packed = self._packed = x.shape, weight
        return packed[1]
