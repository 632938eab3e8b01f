"""Convolutions with fused addition and ReLU, by oneDNN, with prepacked weights."""

from typing import Any

import torch

from condetr.core.shapes import FeatureMap
from condetr.model.detector import ConditionalDetr
from condetr.speed.convolution import FoldedConvolution
from condetr.speed.fast_detector import FastDetector, has_step, replace_modules
from condetr.speed.folding import fold_norms

STEP = "oneDNN-prepacked convolutions with fused add and ReLU"
_OPERATIONS = ("_convolution_pointwise", "_convolution_pointwise_", "_reorder_convolution_weight")


def is_available() -> bool:
    """Whether this build of torch has the operations that torch.compile uses on CPUs."""
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATIONS)


@torch.no_grad()
def pack_convolutions(model: ConditionalDetr | FastDetector) -> FastDetector:
    """On a CPU where oneDNN `is_available`, in single precision."""
    if has_step(model, STEP):
        return model
    model = fold_norms(model)
    plain = [module for module in model.modules() if type(module) is FoldedConvolution]
    return replace_modules(model, STEP, {conv: PackedConvolution(conv) for conv in plain})


class PackedConvolution(FoldedConvolution):
    """The best weight layout depends on the size of the map, so weights are packed again when it changes.

    Weights in the layout for another size give the same result, but up to 50 times as slowly.
    """

    def __init__(self, conv: FoldedConvolution) -> None:
        super().__init__(conv.weight, conv.bias, conv.geometry)
        self._packed: tuple[torch.Size, torch.Tensor] | None = None

    def forward(self, x: FeatureMap) -> FeatureMap:
        return self._convolve(x, "none")

    def conv_relu(self, x: FeatureMap) -> FeatureMap:
        return self._convolve(x, "relu")

    def conv_add_relu(self, x: FeatureMap, residual: FeatureMap) -> FeatureMap:
        inputs = residual, x, self._weight_for(x), self.bias, *self._geometry
        return torch.ops.mkldnn._convolution_pointwise_(*inputs, "add", 1.0, "relu", [], "")

    def _convolve(self, x: FeatureMap, activation: str) -> FeatureMap:
        inputs = x, self._weight_for(x), self.bias, *self._geometry
        return torch.ops.mkldnn._convolution_pointwise(*inputs, activation, [], "")

    @property
    def _geometry(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
        return self.geometry.padding, self.geometry.stride, self.geometry.dilation, 1

    def __getstate__(self) -> dict[str, Any]:
        """Copies do not share oneDNN's weight layout."""
        return self.__dict__ | {"_packed": None}

    def _weight_for(self, x: FeatureMap) -> torch.Tensor:
        packed = self._packed
        if packed is None or packed[0] != x.shape:
            weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self._geometry, list(x.shape))
            packed = self._packed = x.shape, weight
        return packed[1]
