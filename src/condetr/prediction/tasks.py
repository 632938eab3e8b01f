"""The tasks of a network: boxes, boxes with masks, or panoptic segments."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor, nn

from condetr.core.boxes import clipped
from condetr.core.errors import UsageError
from condetr.core.records import Prediction
from condetr.core.shapes import Logits, PixelMask, Pixels
from condetr.images.masks.bands import bit_masks
from condetr.images.masks.box import box_of_mask
from condetr.images.masks.in_boxes import limited_to_boxes
from condetr.images.masks.segmenting import Segmented, Thresholds, segmented
from condetr.images.scoring import Scored, check_finite, detections_of
from condetr.images.sizes import HeightWidth
from condetr.model.mask_head import ImageMasks
from condetr.prediction.options import PredictionOptions

_FURTHEST_BELOW = -1e4  # a logit below that of any class


class RawDetections(NamedTuple):
    """The results for one image, best first; like `Detections`, on the device of the network."""

    boxes: Float[Tensor, "detections 4"]
    scores: Float[Tensor, "detections"]
    labels: Int64[Tensor, "detections"]
    masks: Bool[Tensor, "detections _height _width"] | None = None
    segments: Int32[Tensor, "_height _width"] | None = None


class ImageInfo(NamedTuple):
    """One image of a batch.

    Attributes:
        size: (height, width) of the original image.
        real: fraction of the input's rows and columns that shows it; the rest is padding.
        min_score: a further threshold for this image alone.
        masks: whether it gets masks, for the task "instance".
    """

    size: HeightWidth
    real: tuple[float, float]
    min_score: float | int = 0.0
    masks: bool = True


TaskHead: TypeAlias = Callable[[Pixels, PixelMask | None, Sequence[ImageInfo]], list[RawDetections]]


@runtime_checkable
class Segmenter(Protocol):
    """A network, or an exported one, that makes masks of chosen queries from a trace."""

    @property
    def masks_in_boxes(self) -> bool: ...
    def trace(self, pixels: Pixels, mask: PixelMask | None = None) -> Any: ...
    def predict_last(self, trace: Any, /) -> Prediction: ...
    def segment(self, trace: Any, queries: Sequence[Int64[Tensor, "_"]], /) -> list[ImageMasks]: ...


@dataclass(frozen=True, kw_only=True)
class TaskOptions(PredictionOptions):
    """Also the class ids of a model: those of ``classes``, None for all, and of ``stuff``."""

    class_ids: Collection[int] | None = None
    stuff: Collection[int] = ()


def task_runner(network: nn.Module, options: TaskOptions) -> TaskHead:
    """The function that runs the network on a batch for the task.

    Raises:
        UsageError: the task needs masks, and the network has no mask head.
    """
    if options.task == "detect":
        return _Boxes(network, options)
    if not isinstance(network, Segmenter):
        hint = "load(..., fresh_mask_head=True) adds one, which must be trained"
        raise UsageError(f"is {options.task!r}, but the model has no mask head", item="task", hint=hint)
    return (_Instances if options.task == "instance" else _Panoptic)(network, options)


class _Boxes:
    def __init__(self, network: nn.Module, options: TaskOptions) -> None:
        self._network, self._options = network, options

    def __call__(self, pixels: Pixels, mask: PixelMask | None, images: Sequence[ImageInfo]) -> list[RawDetections]:
        scored = _scored(self._network(pixels, mask), images, self._options)
        return [RawDetections(boxes, scores, labels) for scores, labels, boxes, _ in scored]


class _Instances:
    def __init__(self, network: Segmenter, options: TaskOptions) -> None:
        self._network, self._options = network, options

    def __call__(self, pixels: Pixels, mask: PixelMask | None, images: Sequence[ImageInfo]) -> list[RawDetections]:
        trace = self._network.trace(pixels, mask)
        prediction = self._network.predict_last(trace)
        scored = _scored(prediction, images, self._options)
        boxes_only = [RawDetections(boxes, scores, labels) for scores, labels, boxes, _ in scored]
        if not any(image.masks for image in images):  # masks are the costly part
            return boxes_only
        unique = [  # a query may have several classes
            best.queries[: None if image.masks else 0].unique(return_inverse=True)
            for best, image in zip(scored, images, strict=True)
        ]
        planes = _masks(self._network, trace, prediction, [queries for queries, _ in unique], images)
        limit = self._options.mask_threshold
        return [
            raw._replace(masks=bit_masks(plane, image.size, threshold=limit, real=image.real)[indices])
            if image.masks
            else raw
            for raw, plane, (_, indices), image in zip(boxes_only, planes, unique, images, strict=True)
        ]


class _Panoptic:
    def __init__(self, network: Segmenter, options: TaskOptions) -> None:
        self._network, self._options = network, options
        self._limits = Thresholds(options.threshold, options.mask_threshold, options.overlap)

    def __call__(self, pixels: Pixels, mask: PixelMask | None, images: Sequence[ImageInfo]) -> list[RawDetections]:
        trace = self._network.trace(pixels, mask)
        prediction = self._network.predict_last(trace)
        logits = _only(prediction.logits, self._options)
        check_finite(logits, "logits")
        best = logits.float().sigmoid().amax(dim=2)
        chosen = [self._chosen(scores) for scores in best]
        planes = _masks(self._network, trace, prediction, chosen, images)
        results = []
        for image_logits, queries, plane, image in zip(logits, chosen, planes, images, strict=True):
            segments = segmented(
                image_logits[queries], plane, image.size, image.real, thresholds=self._limits, fused=self._options.stuff
            )
            results.append(_best_first(segments))
        return results

    def _chosen(self, scores: Float[Tensor, "queries"]) -> Int64[Tensor, "_chosen"]:
        top = scores.topk(min(self._options.top_k, len(scores)))
        return top.indices[top.values > self._options.threshold].sort().values


def _masks(
    network: Segmenter,
    trace: Any,
    prediction: Prediction,
    queries: Sequence[Int64[Tensor, "_"]],
    images: Sequence[ImageInfo],
) -> list[ImageMasks]:
    """Of chosen queries of each image."""
    planes = network.segment(trace, queries)
    for plane in planes:
        check_finite(plane, "masks")
    if not network.masks_in_boxes:
        return planes
    return [
        limited_to_boxes(plane, boxes[chosen], image.real)
        for plane, boxes, chosen, image in zip(planes, prediction.boxes, queries, images, strict=True)
    ]


def _scored(prediction: Prediction, images: Sequence[ImageInfo], options: TaskOptions) -> list[Scored]:
    """Scored boxes, clipped to the image, since a query may predict beyond its edge."""
    logits, boxes = prediction
    sizes = [image.size for image in images]
    scored = detections_of(_only(logits, options), boxes, sizes, threshold=options.threshold, top_k=options.top_k)
    scored = [best._replace(boxes=clipped(best.boxes, size)) for best, size in zip(scored, sizes, strict=True)]
    return [
        Scored(*(part[: int((best.scores > image.min_score).sum())] for part in best))  # scores are sorted
        for best, image in zip(scored, images, strict=True)
    ]


def _only(logits: Logits, options: TaskOptions) -> Logits:
    """Logits in which only the chosen classes can be detected."""
    if options.class_ids is None:
        return logits
    others = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
    others[sorted(options.class_ids)] = False
    return logits.masked_fill(others, _FURTHEST_BELOW)


def _best_first(segmented_image: Segmented) -> RawDetections:
    """Segments by score, renumbered in that order, with boxes around their pixels."""
    ids, device = segmented_image.map, segmented_image.map.device
    order = sorted(segmented_image.segments, key=lambda segment: -segment.score)
    renumbered = torch.zeros(len(order) + 1, dtype=torch.int32, device=device)
    for number, segment in enumerate(order, start=1):
        renumbered[segment.id] = number
    boxes = [box_of_mask(ids == segment.id) for segment in order]
    return RawDetections(
        boxes=torch.tensor(boxes, dtype=torch.float32, device=device).reshape(-1, 4),
        scores=torch.tensor([segment.score for segment in order], dtype=torch.float32, device=device),
        labels=torch.tensor([segment.label for segment in order], dtype=torch.int64, device=device),
        segments=renumbered[ids],
    )
