"""``pipeline("object-detection")`` and ``pipeline("image-segmentation")``: a model with its processor."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from condetr.core.errors import UsageError
from condetr.hf.auto import AutoImageProcessor, AutoModelForImageSegmentation, AutoModelForObjectDetection
from condetr.hf.config.stored_config import HUB_OPTIONS
from condetr.hf.models.placement import device_of, dtype_of
from condetr.hf.pipelines import detection_pipeline, segmentation_pipeline
from condetr.hf.pipelines.detection_pipeline import ObjectDetectionPipeline
from condetr.hf.pipelines.segmentation_pipeline import ImageSegmentationPipeline
from condetr.hf.processing.processor_settings import check_names

_UNSUPPORTED = ("tokenizer", "video_processor", "pipeline_class")
_IGNORED = (*_UNSUPPORTED, "trust_remote_code", "framework", "num_workers")
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
    **hub_options: Any,
) -> ObjectDetectionPipeline | ImageSegmentationPipeline:
    """A model that takes images and gives names and boxes, or names and masks.

    Args:
        task: "object-detection" or "image-segmentation"; by default that of a model object, else the first.
        model: a model, or its folder, weights file or hub id.
        image_processor: a processor, or its folder, file or hub id; by default beside the model.
        feature_extractor: the old name of ``image_processor``.
        device: "cuda", 0, "cpu", -1 (the CPU), ...; by default the device of a model object, and for a stored model
            the accelerator if there is one.
        dtype: of a stored model's weights, fp32 by default.
        torch_dtype: the old name of ``dtype``.
        device_map: another name for ``device``.
        config: of a stored model, instead of its own.
        processor: another name for ``image_processor``.
        model_kwargs: further arguments of `from_pretrained`, for a stored model.
        use_fast: False processes images with PIL.
        threshold: the default of calls: scores must be above it; 0.5, or 0.9 for masks.
        batch_size: the default of calls: how many images are read together.
        subtask: of segmentation; this and the next two as in `ImageSegmentationPipeline`.
        mask_threshold: of segmentation.
        overlap_mask_area_threshold: of segmentation.
        hub_options: ``revision``, ``cache_dir``, ``token``, ``force_download``, ``local_files_only`` of the hub.
            ``tokenizer``, ``video_processor`` and ``pipeline_class`` must be None; ``trust_remote_code``, ``framework``
            and ``num_workers`` are ignored.

    Raises:
        UsageError: another task, no model, or a model without a processor.
    """
    task = task or (segmentation_pipeline.TASK if hasattr(model, "mask_head") else detection_pipeline.TASK)
    if task not in _MODELS:
        raise UsageError(
            f"is {task!r}, expected {' or '.join(_MODELS)}: Conditional DETR supports no other task", item="task"
        )
    mask_options = {
        "subtask": subtask,
        "mask_threshold": mask_threshold,
        "overlap_mask_area_threshold": overlap_mask_area_threshold,
    }
    wrong_task = [name for name, value in mask_options.items() if value is not None]
    if wrong_task and task == detection_pipeline.TASK:
        raise UsageError(f"is an option of {segmentation_pipeline.TASK}, not of {task}", item=wrong_task[0])
    if model is None:
        raise UsageError("expected a model, or a folder, weights file or hub id of one", item="model")
    _reject_unsupported(hub_options)
    hub_options = {name: value for name, value in hub_options.items() if name not in _IGNORED}
    check_names(hub_options, (*HUB_OPTIONS, *inspect.signature(pipeline).parameters), "pipeline")
    source, processor = model, image_processor or feature_extractor or processor
    if device_map is not None:
        if device is not None:
            raise UsageError("means the same as device", item="device_map", hint="pass one of them")
        device = device_of(device_map)
    if isinstance(model, str | Path):
        target = _device(device)
        options = {"dtype": dtype or torch_dtype, "config": config, **hub_options, **(model_kwargs or {})}
        model = _MODELS[task].from_pretrained(model, **options)
    else:
        if config is not None or model_kwargs:
            raise UsageError(
                "is for stored models, and this one is already loaded",
                item="model_kwargs" if model_kwargs else "config",
            )
        target = _device(model.device if device is None else device)
        source = model.config.name_or_path
        if dtype or torch_dtype:
            model = model.to(dtype_of(dtype or torch_dtype))
    if processor is None and not source:
        raise UsageError(
            "is missing, and the model was not loaded from a folder or the hub",
            item="image_processor",
            hint="pass image_processor= as well",
        )
    if processor is None or isinstance(processor, str | Path):
        processor = AutoImageProcessor.from_pretrained(processor or source, use_fast=use_fast, **hub_options)
    if task == detection_pipeline.TASK:
        least = detection_pipeline.THRESHOLD if threshold is None else threshold
        return ObjectDetectionPipeline(model, processor, target, threshold=least, batch_size=batch_size)
    return ImageSegmentationPipeline(
        model, processor, target, threshold=threshold, batch_size=batch_size, **mask_options
    )


def _reject_unsupported(options: Mapping[str, Any]) -> None:
    for name in _UNSUPPORTED:
        if options.get(name) is not None:
            raise UsageError(f"is {options[name]!r}, which image pipelines do not support", item=name)


def _device(device: int | str | torch.device | None) -> torch.device:
    return device_of("auto" if device is None else "cpu" if device == -1 else device)
