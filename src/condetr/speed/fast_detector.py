"""The accelerated copy of a detector, and how its modules are replaced."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never, TypeAlias, TypeGuard

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from condetr.core.errors import UsageError
from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_head import ImageMasks
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.model.transformer import Trace

TraceFunction: TypeAlias = Callable[[Pixels, PixelMask | None], Trace]
WrapTrace: TypeAlias = Callable[[TraceFunction], TraceFunction]


class FastDetector(nn.Module):
    """Has the outputs of the detector it was made from, as that was when the copy was made.

    Attributes:
        network: a copy, some modules of which were replaced.
        steps: the optimizations that made it, in order.
        wrap_trace: makes a faster function of the network's ``trace``.
    """

    def __init__(self, network: ConditionalDetr, steps: tuple[str, ...], wrap_trace: WrapTrace | None) -> None:
        super().__init__()
        self.network, self.steps, self.wrap_trace = network, steps, wrap_trace
        self._trace: TraceFunction = network.trace if wrap_trace is None else wrap_trace(network.trace)
        self.eval()

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Prediction:
        return self.predict_last(self.trace(pixels, mask))

    @torch.no_grad()
    def trace(self, pixels: Pixels, mask: PixelMask | None = None) -> Trace:
        return self._trace(pixels.to(self.network.body.input_projection.weight.dtype), mask)

    @torch.no_grad()
    def predict_last(self, trace: Trace) -> Prediction:
        """Boxes and scores in the precision of the head, whatever that of the rest."""
        return self._predict_layer(trace, -1)

    @torch.no_grad()
    def predict_layers(self, pixels: Pixels, mask: PixelMask | None = None) -> tuple[Prediction, ...]:
        """The predictions of all decoder layers, last layer last."""
        trace = self.trace(pixels, mask)
        return tuple(self._predict_layer(trace, layer) for layer in range(len(trace.embeddings)))

    def _predict_layer(self, trace: Trace, layer: int) -> Prediction:
        precision = self.network.head.classes.weight.dtype
        return self.network.head(trace.embeddings[layer].to(precision), trace.reference_logits.to(precision))

    def train(self, mode: bool = True) -> "FastDetector":  # noqa: FBT001, FBT002  torch's signature
        if mode:
            raise _inference_only("trained")
        return super().train(mode)

    def state_dict(self, *_: Any, **__: Any) -> Never:
        raise _inference_only("saved")

    def __reduce_ex__(self, protocol: Any) -> Never:  # called by torch.save and pickle
        raise _inference_only("saved")

    def __deepcopy__(self, memo: dict[int, Any]) -> "FastDetector":
        return fast(copy.deepcopy(self.network, memo), self.steps, self.wrap_trace)


class FastSegmenter(FastDetector):
    """An accelerated segmenter, which also gives masks of selected queries."""

    network: ConditionalDetrSegmenter

    @property
    def masks_in_boxes(self) -> bool:
        return self.network.masks_in_boxes

    @torch.no_grad()
    def segment(self, trace: Trace, queries: Sequence[Int64[Tensor, "_"]]) -> list[ImageMasks]:
        """Mask logits in the precision of the head."""
        precision = self.network.head.classes.weight.dtype
        return [masks.to(precision) for masks in self.network.segment(trace, queries)]


def fast(network: ConditionalDetr, steps: tuple[str, ...], wrap_trace: WrapTrace | None = None) -> FastDetector:
    return (FastSegmenter if isinstance(network, ConditionalDetrSegmenter) else FastDetector)(
        network, steps, wrap_trace
    )


def has_step(model: ConditionalDetr | FastDetector, step: str) -> TypeGuard[FastDetector]:
    return isinstance(model, FastDetector) and step in model.steps


def network_of(model: ConditionalDetr | FastDetector) -> ConditionalDetr:
    return model.network if isinstance(model, FastDetector) else model


def fast_copy(model: ConditionalDetr | FastDetector) -> FastDetector:
    return model if isinstance(model, FastDetector) else replace_modules(model, None, {})


def replace_modules(
    model: ConditionalDetr | FastDetector, step: str | None, replacements: Mapping[nn.Module, nn.Module]
) -> FastDetector:
    """A copy with some modules replaced; the replacements themselves are not copied.

    A copy of an accelerated copy shares what is not replaced: neither ever changes.
    """
    memo: dict[int, Any] = {id(module): other for module, other in replacements.items()}
    if isinstance(model, FastDetector):
        plain, steps, wrap_trace = model.network, model.steps, model.wrap_trace
        kept = [module for module in plain.modules() if replacements.keys().isdisjoint(module.modules())]
        memo |= {id(shared): shared for shared in (*kept, *plain.parameters(), *plain.buffers())}
        network = copy.deepcopy(plain, memo)
    else:
        network, steps, wrap_trace = copy.deepcopy(model, memo), (), None
        for weight in network.requires_grad_(requires_grad=False).parameters():
            weight.grad = None
    return fast(network, steps if step is None else (*steps, step), wrap_trace)


def _inference_only(refused: str) -> UsageError:
    return UsageError(
        f"an accelerated copy cannot be {refused}", item="detector", hint="use the model that it was made from"
    )
