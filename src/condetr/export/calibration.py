"""Post-training quantization to int8, calibrated on real images."""

import logging
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from condetr.export.extras import needed
from condetr.images.preprocessing import Preprocessing
from condetr.images.resize import UprightImage

_KEPT = ["MatMul", "ScaledDotProductAttention"]  # the transformer's operations


def quantized(model: Any, images: Sequence[UprightImage], preprocessing: Preprocessing) -> Any:
    """An OpenVINO model with int8 convolutions, calibrated on preprocessed images.

    The transformer keeps its precision: it is a small part of the work, and in int8 it costs the digit detector 2
    points of AP. Processors without VNNI add products of 8-bit numbers in 16 bits and overflow, so weights have 7 bits:
    with 8 the digit detector loses 11 points.
    """
    nncf = needed("nncf")
    nncf.set_log_level(logging.ERROR)

    def prepared(image: UprightImage) -> dict[str, np.ndarray]:
        batch = preprocessing.prepare([image])
        return {"pixels": batch.pixels.float().numpy(), "mask": batch.mask.numpy()}

    with redirect_stdout(sys.stderr):  # NNCF prints its progress
        return nncf.quantize(
            model,
            nncf.Dataset(list(images), prepared),
            subset_size=len(images),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(types=_KEPT, validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix="enable"),
        )
