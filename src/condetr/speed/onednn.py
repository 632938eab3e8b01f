"""Convolutions with fused addition, ReLU or clamping, by oneDNN, with prepacked weights."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch

from condetr.core.shapes import FeatureMap
from condetr.model.detector import ConditionalDetr
from condetr.speed.convolution import FoldedConvolution
from condetr.speed.fast_detector import FastDetector, has_step, replace_modules
from condetr.speed.folding import fold_norms

STEP = "oneDNN-prepacked convolutions with fused add and ReLU"
_OPERATIONS = (
    "_convolution_pointwise",
    "_convolution_pointwise_",
    "_reorder_convolution_weight",
    "_linear_pointwise",
    "_reorder_linear_weight",
)
_CONTENT = ("data_ptr", "_nbytes")
_MOST_LAYOUTS = 4  # of one weight, which take memory
_MOST_SHAPES = 4096


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
    """The best weight layout depends on the size of the map, so weights are packed for each size.

    Weights in the layout for another size give the same result, but up to 50 times as slowly. Most sizes have the same
    layout, which is kept once.
    """

    def __init__(self, conv: FoldedConvolution) -> None:
        super().__init__(conv.weight, conv.bias, conv.geometry, conv.bounds, pads=conv.pads)
        self._packed: dict[torch.Size, torch.Tensor] = {}

    def forward(self, x: FeatureMap) -> FeatureMap:
        x = self._padded(x)
        return self._convolve(x, "none") if self.bounds is None else self._convolve(x, "hardtanh", self.bounds)

    def conv_relu(self, x: FeatureMap) -> FeatureMap:
        return self._convolve(x, "relu")

    def conv_add_relu(self, x: FeatureMap, residual: FeatureMap) -> FeatureMap:
        inputs = residual, x, self._weight_for(x), self.bias, *self._geometry
        return torch.ops.mkldnn._convolution_pointwise_(*inputs, "add", 1.0, "relu", [], "")

    def _convolve(self, x: FeatureMap, activation: str, bounds: Sequence[float] = ()) -> FeatureMap:
        inputs = x, self._weight_for(x), self.bias, *self._geometry
        return torch.ops.mkldnn._convolution_pointwise(*inputs, activation, list(bounds), "")

    @property
    def _geometry(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
        return self.geometry.padding, self.geometry.stride, self.geometry.dilation, self.geometry.groups

    def __getstate__(self) -> dict[str, Any]:
        """Copies do not share oneDNN's weight layout."""
        return self.__dict__ | {"_packed": {}}

    def _weight_for(self, x: FeatureMap) -> torch.Tensor:
        packed = self._packed.get(x.shape)
        return self._pack(x.shape) if packed is None else packed

    def _pack(self, shape: torch.Size) -> torch.Tensor:
        weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self._geometry, list(shape))
        kept = self._packed.copy()  # other threads may read it
        layouts = list({id(each): each for each in kept.values()}.values())
        same = next((each for each in layouts if _have_same_layout(each, weight)), None)
        if len(kept) >= _MOST_SHAPES or (same is None and len(layouts) >= _MOST_LAYOUTS):
            kept = {}
        weight = weight if same is None else same
        self._packed = kept | {shape: weight}
        return weight


def _have_same_layout(packed: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two packings of one weight are the same bytes; False where this build of torch does not tell."""
    operations = torch.ops.mkldnn
    if not all(hasattr(operations, name) for name in _CONTENT):
        return False
    contents = (ctypes.string_at(operations.data_ptr(each), operations._nbytes(each)) for each in (packed, other))
    return next(contents) == next(contents)
