"""What the segmentation models answered, as segments in the pixels of each image."""

import logging
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from condetr.hf.models.outputs import ModelOutput
from condetr.images.masks.segmenting import Segmented, Thresholds, segments_of
from condetr.images.masks.semantics import semantics_of
from condetr.images.sizes import HeightWidth

_DIGITS = 6  # of a score, as in transformers
_logger = logging.getLogger(__name__)


class SemanticSegmentation(ModelOutput):
    """The class id of every pixel, and the score of every class there: (classes, height, width)."""

    segmentation: Tensor
    segmentation_scores: Tensor


class SegmentPostProcessing:
    """Masks are those of the frame that the model saw: give it padded images one by one, or of one shape."""

    def post_process_semantic_segmentation(
        self,
        outputs: Any,
        target_sizes: Tensor | Sequence[Any] | None = None,
        return_segmentation_scores: bool = False,  # noqa: FBT001, FBT002  transformers' signature, here and below
    ) -> list[Tensor] | list[SemanticSegmentation]:
        """The class id of every pixel of each image: int64 (height, width).

        Args:
            outputs: the answer of `ConditionalDetrForSegmentation`.
            target_sizes: (height, width) of each image; without, maps have the size of the masks.
            return_segmentation_scores: whether to answer with ``segmentation`` and ``segmentation_scores`` of each.

        Raises:
            UsageError: not one size an image.
            ModelError: the answer is not finite.
        """
        found = semantics_of(
            outputs.logits, outputs.pred_masks, _pairs(target_sizes), scores=return_segmentation_scores
        )
        if not return_segmentation_scores:
            return [one.map for one in found]
        return [SemanticSegmentation(segmentation=one.map, segmentation_scores=one.scores) for one in found]

    def post_process_instance_segmentation(
        self,
        outputs: Any,
        threshold: float = 0.5,
        mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8,
        target_sizes: Tensor | Sequence[Any] | None = None,
        return_coco_annotation: bool | None = False,  # noqa: FBT001, FBT002
    ) -> list[dict[str, Any]]:
        """``segmentation`` and ``segments_info`` of each image.

        ``segmentation`` says which segment each pixel belongs to, 0 for none: int32 (height, width); ``segments_info``
        has ``id`` (from 1), ``label_id``, ``was_fused`` (False) and ``score`` of each. Where no query scores above
        ``threshold`` the map is -1 everywhere and of floats.

        Args:
            outputs: the answer of `ConditionalDetrForSegmentation`.
            threshold: what the score of a query must be above.
            mask_threshold: what the probability of a pixel must reach for a mask to cover it.
            overlap_mask_area_threshold: what must be exceeded by the share of its area that better masks leave a mask.
            target_sizes: (height, width) of each image; without, maps have the size of the masks.
            return_coco_annotation: whether ``segmentation`` is a list of runs for each number in the map, 0 as well:
                [start, length, ...], row by row, starts counted from 1.

        Raises:
            UsageError: not one size an image.
            ModelError: the answer is not finite.
        """
        limits = Thresholds(threshold, mask_threshold, overlap_mask_area_threshold)
        found = segments_of(outputs.logits, outputs.pred_masks, _pairs(target_sizes), thresholds=limits)
        each = [_answer(one) for one in found]
        for one, answer in zip(found, each, strict=True):
            if return_coco_annotation and one.above_threshold:
                answer["segmentation"] = _runs(one.map)
        return each

    def post_process_panoptic_segmentation(
        self,
        outputs: Any,
        threshold: float = 0.5,
        mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8,
        label_ids_to_fuse: Collection[int] | None = None,
        target_sizes: Tensor | Sequence[Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The same, with all queries of a class of ``label_ids_to_fuse`` as one segment, whose ``was_fused`` is True.

        Raises:
            UsageError: not one size an image.
            ModelError: the answer is not finite.
        """
        if label_ids_to_fuse is None:
            _say_once("label_ids_to_fuse is not given, so no class is fused into one segment")
        limits = Thresholds(threshold, mask_threshold, overlap_mask_area_threshold)
        sizes, fused = _pairs(target_sizes), [int(label) for label in label_ids_to_fuse or ()]
        return [
            _answer(one)
            for one in segments_of(outputs.logits, outputs.pred_masks, sizes, thresholds=limits, fused=fused)
        ]


@cache
def _say_once(message: str) -> None:
    _logger.warning(message)


def _answer(found: Segmented) -> dict[str, Any]:
    infos = [
        {"id": one.id, "label_id": one.label, "was_fused": one.is_fused, "score": round(one.score, _DIGITS)}
        for one in found.segments
    ]
    plane = found.map if found.above_threshold else torch.full(found.map.shape, -1.0, device=found.map.device)
    return {"segmentation": plane, "segments_info": infos}


def _runs(plane: Tensor) -> list[list[int]]:
    """Starts, counted from 1, and lengths of the runs of each number, smallest number first."""
    pixels = plane.flatten()
    values, lengths = pixels.unique_consecutive(return_counts=True)
    starts = (lengths.cumsum(0) - lengths + 1).tolist()
    of_number: dict[int, list[int]] = {number: [] for number in sorted(set(values.tolist()))}
    for number, start, length in zip(values.tolist(), starts, lengths.tolist(), strict=True):
        of_number[number] += [start, length]
    return list(of_number.values())


def _pairs(sizes: Tensor | Sequence[Any] | None) -> list[HeightWidth] | None:
    if sizes is None:
        return None
    return [(int(height), int(width)) for height, width in sizes]
