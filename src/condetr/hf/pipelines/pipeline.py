"""``pipeline("object-detection")`` or ``("image-segmentation")``: a model and its processor, put together."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from condetr.core.errors import UsageError
from condetr.hf.auto import AutoModelForImageSegmentation, AutoModelForObjectDetection
from condetr.hf.auto_image_processor import AutoImageProcessor
from condetr.hf.config.stored_config import WHERE
from condetr.hf.models.placement import device_of, dtype_of
from condetr.hf.pipelines import detection_pipeline, segmentation_pipeline
from condetr.hf.pipelines.detection_pipeline import ObjectDetectionPipeline
from condetr.hf.pipelines.segmentation_pipeline import ImageSegmentationPipeline
from condetr.hf.processing.processor_settings import check_names

_OF_TEXT = ("tokenizer", "video_processor", "pipeline_class")
_OF_NO_CONSEQUENCE = (*_OF_TEXT, "trust_remote_code", "framework", "num_workers")
_MODELS: dict[str, Any] = {
    detection_pipeline.TASK: AutoModelForObjectDetection,
    segmentation_pipeline.TASK: AutoModelForImageSegmentation,
}


def pipeline(
    task: str | None = None,
    model: Any = None,
    *,
    image_processor: Any = None,
    feature_extractor: Any = None,
    device: int | str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    torch_dtype: torch.dtype | str | None = None,
    device_map: Any = None,
    config: Any = None,
    processor: Any = None,
    model_kwargs: Mapping[str, Any] | None = None,
    use_fast: bool | None = None,
    threshold: float | None = None,
    batch_size: int = 1,
    subtask: str | None = None,
    mask_threshold: float | None = None,
    overlap_mask_area_threshold: float | None = None,
    **where: Any,
) -> ObjectDetectionPipeline | ImageSegmentationPipeline:
    """A model that takes images and gives names and boxes, or names and masks.

    Args:
        task: "object-detection" or "image-segmentation"; by default what a model that is given can do, else the first.
        model: a model, or where one is stored: a folder, a weights file or a hub id.
        image_processor: a processor, or where one is stored; by default beside the model.
        feature_extractor: the old name of ``image_processor``.
        device: "cuda", 0, "cpu", -1 (the CPU), ...; by default where the model is, or, for a stored one, the
            accelerator where there is one.
        dtype: of a stored model's weights, fp32 by default.
        torch_dtype: the old name of ``dtype``.
        device_map: another word for ``device``.
        config: of a stored model, instead of its own.
        processor: another name for ``image_processor``.
        model_kwargs: what else `from_pretrained` takes, for a stored model.
        use_fast: False processes images with PIL.
        threshold: what a score must be above, unless a call says otherwise; by default 0.5, or 0.9 for masks.
        batch_size: how many images are read together, unless a call says otherwise.
        subtask: of segmentation; this and the next two as `ImageSegmentationPipeline` has them.
        mask_threshold: of segmentation.
        overlap_mask_area_threshold: of segmentation.
        where: ``revision``, ``cache_dir``, ``token``, ``force_download``, ``local_files_only`` of the hub.
            ``tokenizer``, ``video_processor`` and ``pipeline_class`` must be None; ``trust_remote_code``, ``framework``
            and ``num_workers`` change nothing.

    Raises:
        UsageError: another task, no model, or a model without a processor.
    """
    task = task or (segmentation_pipeline.TASK if hasattr(model, "mask_head") else detection_pipeline.TASK)
    if task not in _MODELS:
        raise UsageError(f"is {task!r}, expected {' or '.join(_MODELS)}: Conditional DETR does no other", item="task")
    of_masks = {
        "subtask": subtask,
        "mask_threshold": mask_threshold,
        "overlap_mask_area_threshold": overlap_mask_area_threshold,
    }
    foreign = [name for name, value in of_masks.items() if value is not None]
    if foreign and task == detection_pipeline.TASK:
        raise UsageError(f"is of {segmentation_pipeline.TASK}, not of {task}", item=foreign[0])
    if model is None:
        raise UsageError("expected a model, or a folder, weights file or hub id of one", item="model")
    where = {name: value for name, value in where.items() if name not in _OF_NO_CONSEQUENCE or _refused(name, value)}
    check_names(where, (*WHERE, *inspect.signature(pipeline).parameters), "pipeline")
    home, processor = model, image_processor or feature_extractor or processor
    if device_map is not None:
        if device is not None:
            raise UsageError("says the same as device", item="device_map", hint="give one of them")
        device = device_of(device_map)
    if isinstance(model, str | Path):
        place = _place_of(device)
        options = {"dtype": dtype or torch_dtype, "config": config, **where, **(model_kwargs or {})}
        model = _MODELS[task].from_pretrained(model, **options)
    else:
        if config is not None or model_kwargs:
            raise UsageError(
                "is of a stored model, and this one is loaded already",
                item="model_kwargs" if model_kwargs else "config",
            )
        place = _place_of(model.device if device is None else device)
        home = model.config.name_or_path
        if dtype or torch_dtype:
            model = model.to(dtype_of(dtype or torch_dtype))
    if processor is None and not home:
        raise UsageError(
            "the model was not loaded from anywhere", item="image_processor", hint="pass image_processor= as well"
        )
    if processor is None or isinstance(processor, str | Path):
        processor = AutoImageProcessor.from_pretrained(processor or home, use_fast=use_fast, **where)
    if task == detection_pipeline.TASK:
        limit = detection_pipeline.THRESHOLD if threshold is None else threshold
        return ObjectDetectionPipeline(model, processor, place, threshold=limit, batch_size=batch_size)
    return ImageSegmentationPipeline(model, processor, place, threshold=threshold, batch_size=batch_size, **of_masks)


def _refused(name: str, value: Any) -> bool:
    """Never comes back with True: what condetr has no use for may be left to its default, and no more."""
    if value is not None and name in _OF_TEXT:
        raise UsageError(f"is {value!r}, which a pipeline of images has no use for", item=name)
    return False


def _place_of(device: int | str | torch.device | None) -> torch.device:
    return device_of("auto" if device is None else "cpu" if device == -1 else device)
