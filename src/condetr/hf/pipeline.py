"""``pipeline("object-detection")``: a model and its processor, found and put together."""

import inspect
from pathlib import Path
from typing import Any

import torch

from condetr.core.errors import UsageError
from condetr.hf.auto import AutoModelForObjectDetection
from condetr.hf.detection_pipeline import TASK, ObjectDetectionPipeline
from condetr.hf.image_auto import AutoImageProcessor
from condetr.hf.placement import device_of, dtype_of
from condetr.hf.processor_settings import check_names
from condetr.hf.stored_config import WHERE


def pipeline(
    task: str | None = None,
    model: Any = None,
    *,
    image_processor: Any = None,
    feature_extractor: Any = None,
    device: int | str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    torch_dtype: torch.dtype | str | None = None,
    use_fast: bool | None = None,
    threshold: float = 0.5,
    batch_size: int = 1,
    **where: Any,
) -> ObjectDetectionPipeline:
    """A detector that takes pictures and gives names and boxes.

    Args:
        task: "object-detection", the only one.
        model: a model, or where one is stored: a folder, a weights file or a hub id.
        image_processor: a processor, or where one is stored; by default beside the model.
        feature_extractor: the old name of ``image_processor``.
        device: "cuda", 0, "cpu", -1 (the CPU), ...; by default where the model is, or, for a stored one, the
            accelerator where there is one.
        dtype: of a stored model's weights, fp32 by default.
        torch_dtype: the old name of ``dtype``.
        use_fast: False processes pictures with PIL.
        threshold: what a score must be above, unless a call says otherwise.
        batch_size: how many pictures are read together, unless a call says otherwise.
        where: ``revision``, ``cache_dir``, ``token``, ``force_download``, ``local_files_only`` of the hub.

    Raises:
        UsageError: another task, no model, or a model without a processor.
    """
    if task not in (None, TASK):
        raise UsageError(f"is {task!r}, expected {TASK!r}: Conditional DETR does no other", item="task")
    if model is None:
        raise UsageError("expected a model, or a folder, weights file or hub id of one", item="model")
    check_names(where, (*WHERE, *inspect.signature(pipeline).parameters), "pipeline")
    home, processor = model, image_processor or feature_extractor
    if isinstance(model, str | Path):
        place = _place_of(device)
        model = AutoModelForObjectDetection.from_pretrained(model, dtype=dtype or torch_dtype, **where)
    else:
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
    return ObjectDetectionPipeline(model, processor, place, threshold=threshold, batch_size=batch_size)


def _place_of(device: int | str | torch.device | None) -> torch.device:
    return device_of("auto" if device is None else "cpu" if device == -1 else device)
