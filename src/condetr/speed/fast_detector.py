"""The faster copy of a detector, and how its parts are exchanged."""

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
from condetr.model.mask_head import MasksOfOne
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.model.transformer import Trace

Look: TypeAlias = Callable[[Pixels, PixelMask | None], Trace]


class FastDetector(nn.Module):
    """Answers like the detector it was made from, as that was when it was made.

    Attributes:
        network: a copy, some parts of which were exchanged.
        steps: names of the functions of this room that made it.
        way: makes of the network's look at a batch a faster one.
    """

    def __init__(self, network: ConditionalDetr, steps: tuple[str, ...], way: Callable[[Look], Look] | None) -> None:
        super().__init__()
        self.network, self.steps, self.way = network, steps, way
        self._look: Look = network.trace if way is None else way(network.trace)
        self.eval()

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Prediction:
        return self.conclude(self.trace(pixels, mask))

    @torch.no_grad()
    def trace(self, pixels: Pixels, mask: PixelMask | None = None) -> Trace:
        return self._look(pixels.to(self.network.input_projection.weight.dtype), mask)

    @torch.no_grad()
    def conclude(self, trace: Trace) -> Prediction:
        """Boxes and scores in the precision of the head, whatever the rest computes in."""
        precision = self.network.head.classes.weight.dtype
        return self.network.head(trace.embeddings[-1].to(precision), trace.reference_logits.to(precision))

    def train(self, mode: bool = True) -> "FastDetector":  # noqa: FBT001, FBT002  torch's signature
        if mode:
            raise _for_answers_only("trained")
        return super().train(mode)

    def state_dict(self, *_: Any, **__: Any) -> Never:
        raise _for_answers_only("saved")

    def __reduce_ex__(self, protocol: Any) -> Never:  # what torch.save and pickle ask
        raise _for_answers_only("saved")

    def __deepcopy__(self, memo: dict[int, Any]) -> "FastDetector":
        return fast(copy.deepcopy(self.network, memo), self.steps, self.way)


class FastSegmenter(FastDetector):
    """The same of a segmenter, which also gives masks of chosen queries."""

    network: ConditionalDetrSegmenter

    @torch.no_grad()
    def segment(self, trace: Trace, queries: Sequence[Int64[Tensor, "_"]]) -> list[MasksOfOne]:
        """Mask logits in the precision of the head."""
        precision = self.network.head.classes.weight.dtype
        return [masks.to(precision) for masks in self.network.segment(trace, queries)]


def fast(network: ConditionalDetr, steps: tuple[str, ...], way: Callable[[Look], Look] | None = None) -> FastDetector:
    return (FastSegmenter if isinstance(network, ConditionalDetrSegmenter) else FastDetector)(network, steps, way)


def has_taken(model: ConditionalDetr | FastDetector, step: str) -> TypeGuard[FastDetector]:
    return isinstance(model, FastDetector) and step in model.steps


def network_of(model: ConditionalDetr | FastDetector) -> ConditionalDetr:
    return model.network if isinstance(model, FastDetector) else model


def copied(model: ConditionalDetr | FastDetector) -> FastDetector:
    return model if isinstance(model, FastDetector) else exchanged(model, None, {})


def exchanged(
    model: ConditionalDetr | FastDetector, step: str | None, exchanges: Mapping[nn.Module, nn.Module]
) -> FastDetector:
    """A copy with other parts in the place of some, which are not copied first."""
    if isinstance(model, FastDetector):
        network, steps, way = _twin(model.network, exchanges), model.steps, model.way
    else:
        network, steps, way = copy.deepcopy(model, {id(part): other for part, other in exchanges.items()}), (), None
        for weight in network.requires_grad_(requires_grad=False).parameters():
            weight.grad = None
    return fast(network, steps if step is None else (*steps, step), way)


def _twin(module: nn.Module, exchanges: Mapping[nn.Module, nn.Module]) -> Any:
    """The copy of a fast copy shares what stays: neither ever changes."""
    if module in exchanges:
        return exchanges[module]
    children = {name: _twin(child, exchanges) for name, child in module.named_children()}
    if all(child is module.get_submodule(name) for name, child in children.items()):
        return module
    twin = copy.copy(module)
    twin._modules = {**module._modules, **children}
    return twin


def _for_answers_only(wanted: str) -> UsageError:
    return UsageError(
        f"a sped-up copy cannot be {wanted}", item="detector", hint=f"the one that it was made from can be {wanted}"
    )
