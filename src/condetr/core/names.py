"""Names that users write in settings, once for all rooms, and what some were called in files that are still read."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

Task: TypeAlias = Literal["detect", "instance", "panoptic"]
Backend: TypeAlias = Literal["torch", "onnx", "openvino", "executorch", "tensorrt"]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]
Metric: TypeAlias = Literal[
    "ap", "per-class", "pr", "confusion", "errors", "calibration", "pq", "miou", "layers", "speed"
]
DatasetFormat: TypeAlias = Literal["coco", "coco-panoptic", "yolo", "voc", "cvat", "label-studio"]
LabelFormat: TypeAlias = Literal["coco", "yolo", "voc", "cvat", "label-studio"]
ResultFormat: TypeAlias = Literal["images", "crops", "json", "jsonl", "coco", "coco-panoptic", "yolo", "csv", "parquet"]
GraphFormat: TypeAlias = Literal["onnx", "openvino", "torch-export", "executorch", "tensorrt"]
GraphPrecision: TypeAlias = Literal["fp32", "fp16", "int8"]
Int8Target: TypeAlias = Literal["any", "vnni", "auto"]
AugmentationPreset: TypeAlias = Literal["none", "light", "detr", "strong", "lsj"]
AugmentationSteps: TypeAlias = tuple[dict[str, Any], ...]  # transforms of torchvision: {name: {argument: value}}
Size: TypeAlias = Literal["nano", "small", "base", "large"]
FreezablePart: TypeAlias = Literal["early", "backbone", "encoder", "decoder", "head", "detector"]

RANDOM_WEIGHTS = "none"  # in place of a model, or of a file of backbone weights
IMAGENET = "imagenet"  # in place of a file of backbone weights: what timm has for the name of the backbone

FORMER_NAMES = {"naming": "pretrain_backbone", "colours": "in_channels"}


def with_current_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same record, also of nested ones, under the names that settings have today."""
    return {
        FORMER_NAMES.get(name, name): with_current_names(value) if isinstance(value, dict) else value
        for name, value in record.items()
    }
