"""Conditional DETR: train, measure, understand and run object detectors.

Importing this is light: every name is imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:  # for type checkers and editors; Python reads the table below
    from condetr.api.detector import Detector as Detector
    from condetr.api.load import load as load
    from condetr.core.errors import AnnotationError as AnnotationError
    from condetr.core.errors import CheckpointError as CheckpointError
    from condetr.core.errors import CondetrError as CondetrError
    from condetr.core.errors import DataError as DataError
    from condetr.core.errors import GateError as GateError
    from condetr.core.errors import ImageError as ImageError
    from condetr.core.errors import MissingExtraError as MissingExtraError
    from condetr.core.errors import ModelError as ModelError
    from condetr.core.errors import SettingsError as SettingsError
    from condetr.core.errors import StorageError as StorageError
    from condetr.core.errors import UsageError as UsageError
    from condetr.core.errors import VideoError as VideoError
    from condetr.explain.explanation import Explanation as Explanation
    from condetr.hf.auto import AutoConfig as AutoConfig
    from condetr.hf.auto import AutoImageProcessor as AutoImageProcessor
    from condetr.hf.auto import AutoModel as AutoModel
    from condetr.hf.auto import AutoModelForImageSegmentation as AutoModelForImageSegmentation
    from condetr.hf.auto import AutoModelForObjectDetection as AutoModelForObjectDetection
    from condetr.hf.config.configuration import ConditionalDetrConfig as ConditionalDetrConfig
    from condetr.hf.models.base_model import ConditionalDetrModel as ConditionalDetrModel
    from condetr.hf.models.object_detection import (
        ConditionalDetrForObjectDetection as ConditionalDetrForObjectDetection,
    )
    from condetr.hf.models.segmentation import ConditionalDetrForSegmentation as ConditionalDetrForSegmentation
    from condetr.hf.pipelines.pipeline import pipeline as pipeline
    from condetr.hf.processing.feature_extraction import (
        ConditionalDetrFeatureExtractor as ConditionalDetrFeatureExtractor,
    )
    from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor as ConditionalDetrImageProcessor
    from condetr.hf.processing.image_processing import (
        ConditionalDetrImageProcessorPil as ConditionalDetrImageProcessorPil,
    )
    from condetr.hf.processing.image_transforms import center_to_corners_format as center_to_corners_format
    from condetr.hf.processing.image_transforms import corners_to_center_format as corners_to_center_format
    from condetr.hf.processing.image_transforms import id_to_rgb as id_to_rgb
    from condetr.hf.processing.image_transforms import rgb_to_id as rgb_to_id
    from condetr.images.detections import Detections as Detections
    from condetr.prediction.predictor import Failure as Failure
    from condetr.prediction.predictor import Predictor as Predictor
    from condetr.training.run.callbacks import StopTraining as StopTraining
    from condetr.video.reading import Video as Video

_NAMES = {
    "condetr.api.load": ["load"],
    "condetr.api.detector": ["Detector"],
    "condetr.core.errors": [
        "AnnotationError", "CheckpointError", "CondetrError", "DataError", "GateError", "ImageError",
        "MissingExtraError", "ModelError", "SettingsError", "StorageError", "UsageError", "VideoError",
    ],
    "condetr.explain.explanation": ["Explanation"],
    "condetr.hf.auto": [
        "AutoConfig", "AutoImageProcessor", "AutoModel", "AutoModelForImageSegmentation", "AutoModelForObjectDetection",
    ],
    "condetr.hf.models.base_model": ["ConditionalDetrModel"],
    "condetr.hf.config.configuration": ["ConditionalDetrConfig"],
    "condetr.hf.processing.feature_extraction": ["ConditionalDetrFeatureExtractor"],
    "condetr.hf.processing.image_processing": ["ConditionalDetrImageProcessor", "ConditionalDetrImageProcessorPil"],
    "condetr.hf.processing.image_transforms": [
        "center_to_corners_format", "corners_to_center_format", "id_to_rgb", "rgb_to_id",
    ],
    "condetr.hf.models.object_detection": ["ConditionalDetrForObjectDetection"],
    "condetr.hf.pipelines.pipeline": ["pipeline"],
    "condetr.hf.models.segmentation": ["ConditionalDetrForSegmentation"],
    "condetr.images.detections": ["Detections"],
    "condetr.prediction.predictor": ["Failure", "Predictor"],
    "condetr.training.run.callbacks": ["StopTraining"],
    "condetr.video.reading": ["Video"],
}  # fmt: skip
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


if not TYPE_CHECKING:  # else a type checker would take any name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'condetr' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
