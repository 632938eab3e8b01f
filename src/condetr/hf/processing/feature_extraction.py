"""ConditionalDetrFeatureExtractor: the name of the image processor before transformers 4.26."""

import warnings
from typing import Any

from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor


class ConditionalDetrFeatureExtractor(ConditionalDetrImageProcessor):
    def __init__(self, *settings: Any, **named: Any) -> None:
        message = "ConditionalDetrFeatureExtractor is deprecated; use ConditionalDetrImageProcessor"
        warnings.warn(message, FutureWarning, stacklevel=2)
        super().__init__(*settings, **named)
