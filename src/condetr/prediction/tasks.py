"""What a network is asked for: boxes, a mask for each, or every pixel's segment."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor, nn

from condetr.core.boxes import clipped
from condetr.core.errors import UsageError
from condetr.core.names import Task
from condetr.core.records import Prediction
from condetr.core.shapes import Logits, PixelMask, Pixels
from condetr.images.masks.bands import bit_masks
from condetr.images.masks.box import box_of_mask
from condetr.images.masks.segmenting import Segmented, Thresholds, segmented
from condetr.images.scoring import Scored, check_finite, detections_of
from condetr.images.sizes import HeightWidth
from condetr.model.mask_head import MasksOfOne

_FURTHEST_BELOW = -1e4  # a logit that no class has


class RawDetections(NamedTuple):
    """Of one image, best first; as `Detections` has them, on the device of the network."""

    boxes: Float[Tensor, "found 4"]
    scores: Float[Tensor, "found"]
    labels: Int64[Tensor, "found"]
    masks: Bool[Tensor, "found _height _width"] | None = None
    segments: Int32[Tensor, "_height _width"] | None = None


class Frame(NamedTuple):
    """One image of a batch.

    Attributes:
        size: (height, width) of the original image.
        real: which share of rows and columns of the input shows it.
        least: leave out what scores at or below it, for this image alone.
        masks: whether they are wanted of it, where the task is "instance".
    """

    size: HeightWidth
    real: tuple[float, float]
    least: float | int = 0.0
    masks: bool = True


Find: TypeAlias = Callable[[Pixels, PixelMask | None, Sequence[Frame]], list[RawDetections]]


@runtime_checkable
class Segmenter(Protocol):
    """What makes masks of chosen queries after one look: a network, or an exported one."""

    def trace(self, pixels: Pixels, mask: PixelMask | None = None) -> Any: ...
    def conclude(self, trace: Any, /) -> Prediction: ...
    def segment(self, trace: Any, queries: Sequence[Int64[Tensor, "_"]], /) -> list[MasksOfOne]: ...


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """Attributes: as `Predictor` has them; ``wanted`` are class ids, None for all."""

    task: Task = "detect"
    threshold: float | int = 0.5
    top_k: int = 100
    wanted: Collection[int] | None = None
    mask_threshold: float | int = 0.5
    overlap: float | int = 0.8
    stuff: Collection[int] = ()


def task_runner(network: nn.Module, asked: TaskOptions) -> Find:
    """What looks at a batch for that.

    Raises:
        UsageError: masks are asked for, and the network has no mask head.
    """
    if asked.task == "detect":
        return _Boxes(network, asked)
    if not isinstance(network, Segmenter):
        hint = "load(..., fresh_mask_head=True) gives it one, which has to be trained"
        raise UsageError(f"is {asked.task!r}, but the model has no mask head", item="task", hint=hint)
    return (_Instances if asked.task == "instance" else _Panoptic)(network, asked)


class _Boxes:
    def __init__(self, network: nn.Module, asked: TaskOptions) -> None:
        self._network, self._asked = network, asked

    def __call__(self, pixels: Pixels, mask: PixelMask | None, frames: Sequence[Frame]) -> list[RawDetections]:
        found = _scored(self._network(pixels, mask), frames, self._asked)
        return [RawDetections(one.boxes, one.scores, one.labels) for one in found]


class _Instances:
    def __init__(self, network: Segmenter, asked: TaskOptions) -> None:
        self._network, self._asked = network, asked

    def __call__(self, pixels: Pixels, mask: PixelMask | None, frames: Sequence[Frame]) -> list[RawDetections]:
        trace = self._network.trace(pixels, mask)
        found = _scored(self._network.conclude(trace), frames, self._asked)
        bare = [RawDetections(one.boxes, one.scores, one.labels) for one in found]
        if not any(frame.masks for frame in frames):  # they are the costly part
            return bare
        unique = [  # a query may have several classes
            one.queries[: None if frame.masks else 0].unique(return_inverse=True)
            for one, frame in zip(found, frames, strict=True)
        ]
        planes = self._network.segment(trace, [queries for queries, _ in unique])
        for plane in planes:
            check_finite(plane, "masks")
        limit = self._asked.mask_threshold
        return [
            one._replace(masks=bit_masks(plane, frame.size, threshold=limit, real=frame.real)[places])
            if frame.masks
            else one
            for one, plane, (_, places), frame in zip(bare, planes, unique, frames, strict=True)
        ]


class _Panoptic:
    def __init__(self, network: Segmenter, asked: TaskOptions) -> None:
        self._network, self._asked = network, asked
        self._limits = Thresholds(asked.threshold, asked.mask_threshold, asked.overlap)

    def __call__(self, pixels: Pixels, mask: PixelMask | None, frames: Sequence[Frame]) -> list[RawDetections]:
        trace = self._network.trace(pixels, mask)
        logits = _only(self._network.conclude(trace).logits, self._asked)
        check_finite(logits, "logits")
        best = logits.float().sigmoid().amax(dim=2)
        chosen = [self._chosen(scores) for scores in best]
        planes = self._network.segment(trace, chosen)
        found = []
        for of_image, queries, plane, frame in zip(logits, chosen, planes, frames, strict=True):
            check_finite(plane, "masks")
            one = segmented(
                of_image[queries], plane, frame.size, frame.real, thresholds=self._limits, fused=self._asked.stuff
            )
            found.append(_best_first(one))
        return found

    def _chosen(self, scores: Float[Tensor, "queries"]) -> Int64[Tensor, "_chosen"]:
        top = scores.topk(min(self._asked.top_k, len(scores)))
        return top.indices[top.values > self._asked.threshold].sort().values


def _scored(prediction: Prediction, frames: Sequence[Frame], asked: TaskOptions) -> list[Scored]:
    """What people get, boxes clipped to the image: a query is free to look beyond its edge."""
    logits, boxes = prediction
    sizes = [frame.size for frame in frames]
    found = detections_of(_only(logits, asked), boxes, sizes, threshold=asked.threshold, top_k=asked.top_k)
    found = [one._replace(boxes=clipped(one.boxes, size)) for one, size in zip(found, sizes, strict=True)]
    return [
        Scored(*(part[: int((one.scores > frame.least).sum())] for part in one))  # scores fall
        for one, frame in zip(found, frames, strict=True)
    ]


def _only(logits: Logits, asked: TaskOptions) -> Logits:
    """Logits of which only wanted classes can be found."""
    if asked.wanted is None:
        return logits
    others = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
    others[sorted(asked.wanted)] = False
    return logits.masked_fill(others, _FURTHEST_BELOW)


def _best_first(found: Segmented) -> RawDetections:
    """Segments by score, numbered in that order, with boxes around their pixels."""
    device = found.map.device
    order = sorted(found.segments, key=lambda one: -one.score)
    renumbered = torch.zeros(len(order) + 1, dtype=torch.int32, device=device)
    for number, one in enumerate(order, start=1):
        renumbered[one.id] = number
    boxes = [box_of_mask(found.map == one.id) for one in order]
    return RawDetections(
        boxes=torch.tensor(boxes, dtype=torch.float32, device=device).reshape(-1, 4),
        scores=torch.tensor([one.score for one in order], dtype=torch.float32, device=device),
        labels=torch.tensor([one.label for one in order], dtype=torch.int64, device=device),
        segments=renumbered[found.map],
    )
