"""From the outputs of segmentation models to segments in the pixels of each image."""

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

_SCORE_DIGITS = 6  # as in transformers
_logger = logging.getLogger(__name__)


class SemanticSegmentation(ModelOutput):
    """The class id of every pixel, and the score of every class there: (classes, height, width)."""

    segmentation: Tensor
    segmentation_scores: Tensor


class SegmentPostProcessing:
    """Masks cover the model's input with its padding: run images one by one, or batches of one shape."""

    def post_process_semantic_segmentation(
        self,
        outputs: Any,
        target_sizes: Tensor | Sequence[Any] | None = None,
        return_segmentation_scores: bool = False,  # noqa: FBT001, FBT002  transformers' signature, here and below
    ) -> list[Tensor] | list[SemanticSegmentation]:
        """The class id of every pixel of each image: int64 (height, width).

        Args:
            outputs: of `ConditionalDetrForSegmentation`.
            target_sizes: (height, width) of each image; without, maps have the size of the masks.
            return_segmentation_scores: whether to return ``segmentation`` and ``segmentation_scores`` of each.

        Raises:
            UsageError: not one size per image.
            ModelError: the outputs are not finite.
        """
        images = semantics_of(
            outputs.logits, outputs.pred_masks, _pairs(target_sizes), scores=return_segmentation_scores
        )
        if not return_segmentation_scores:
            return [image.map for image in images]
        return [SemanticSegmentation(segmentation=image.map, segmentation_scores=image.scores) for image in images]

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

        ``segmentation`` is the segment id of each pixel, 0 for none: int32 (height, width); ``segments_info`` has
        ``id`` (from 1), ``label_id``, ``was_fused`` (False) and ``score`` of each. If no query scores above
        ``threshold``, the map is -1 everywhere and of floats.

        Args:
            outputs: of `ConditionalDetrForSegmentation`.
            threshold: scores of queries must be above it.
            mask_threshold: minimum probability for a pixel to be in a mask.
            overlap_mask_area_threshold: the share of a mask's area that better masks leave over must be above it.
            target_sizes: (height, width) of each image; without, maps have the size of the masks.
            return_coco_annotation: whether ``segmentation`` is a list of runs for each id in the map, 0 included:
                [start, length, ...], row by row, starts counted from 1.

        Raises:
            UsageError: not one size per image.
            ModelError: the outputs are not finite.
        """
        limits = Thresholds(threshold, mask_threshold, overlap_mask_area_threshold)
        images = segments_of(outputs.logits, outputs.pred_masks, _pairs(target_sizes), thresholds=limits)
        results = [_result(image) for image in images]
        for image, result in zip(images, results, strict=True):
            if return_coco_annotation and image.above_threshold:
                result["segmentation"] = _runs(image.map)
        return results

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
            UsageError: not one size per image.
            ModelError: the outputs are not finite.
        """
        if label_ids_to_fuse is None:
            _warn_once("label_ids_to_fuse is missing, so no class is fused into one segment")
        limits = Thresholds(threshold, mask_threshold, overlap_mask_area_threshold)
        sizes, fused = _pairs(target_sizes), [int(label) for label in label_ids_to_fuse or ()]
        return [
            _result(image)
            for image in segments_of(outputs.logits, outputs.pred_masks, sizes, thresholds=limits, fused=fused)
        ]


@cache
def _warn_once(message: str) -> None:
    _logger.warning(message)


def _result(image: Segmented) -> dict[str, Any]:
    infos = [
        {"id": each.id, "label_id": each.label, "was_fused": each.is_fused, "score": round(each.score, _SCORE_DIGITS)}
        for each in image.segments
    ]
    ids = image.map if image.above_threshold else torch.full(image.map.shape, -1.0, device=image.map.device)
    return {"segmentation": ids, "segments_info": infos}


def _runs(ids: Tensor) -> list[list[int]]:
    """Starts, counted from 1, and lengths of the runs of each id, smallest id first."""
    pixels = ids.flatten()
    values, lengths = pixels.unique_consecutive(return_counts=True)
    starts = (lengths.cumsum(0) - lengths + 1).tolist()
    runs: dict[int, list[int]] = {value: [] for value in sorted(set(values.tolist()))}
    for value, start, length in zip(values.tolist(), starts, lengths.tolist(), strict=True):
        runs[value] += [start, length]
    return list(runs.values())


def _pairs(sizes: Tensor | Sequence[Any] | None) -> list[HeightWidth] | None:
    if sizes is None:
        return None
    return [(int(height), int(width)) for height, width in sizes]
