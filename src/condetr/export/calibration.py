"""Post-training quantization to int8, calibrated on real images.

Only the backbone's convolutions get 8 bits: the transformer is a small part of the work, and in int8 it costs the
digit detector 2 points of AP.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from condetr.export.extras import needed, quiet, without_warnings
from condetr.images.preprocessing import Preprocessing
from condetr.images.resize import UprightImage

_KEPT = ["MatMul", "ScaledDotProductAttention"]  # the transformer's operations


def quantized(model: Any, images: Sequence[UprightImage], preprocessing: Preprocessing, bits: int) -> Any:
    """An OpenVINO model with int8 convolutions, their weights of 7 or 8 bits, calibrated on preprocessed images."""
    nncf = needed("nncf")
    with _errors_only(logging.getLogger("nncf")), redirect_stdout(sys.stderr):  # NNCF prints its progress
        return nncf.quantize(
            model,
            nncf.Dataset(list(images), lambda image: _prepared(image, preprocessing)),
            subset_size=len(images),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(types=_KEPT, validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix="enable" if bits == 7 else "disable"),
        )


def quantize_onnx(
    file: Path, output: Path, images: Sequence[UprightImage], preprocessing: Preprocessing, bits: int
) -> None:
    """Write an ONNX graph with int8 convolutions: QDQ, weights symmetric with a scale for each channel.

    Args:
        file: the graph in fp32, its norms folded into the convolutions.
        output: the file to write.
        images: to calibrate on.
        preprocessing: of the images.
        bits: of the weights, 7 or 8.
    """
    needed("onnxruntime")
    with quiet():
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    with quiet(), without_warnings(), redirect_stdout(sys.stderr):
        quantize_static(
            file,
            output,
            _Images(images, preprocessing),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=bits == 7,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


@contextmanager
def _errors_only(logger: logging.Logger) -> Iterator[None]:
    """Unlike NNCF's own function, this leaves the handlers alone, which may serve other loggers, too."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Images:
    """What onnxruntime calls a calibration data reader."""

    def __init__(self, images: Sequence[UprightImage], preprocessing: Preprocessing) -> None:
        self._prepared: Iterator[dict[str, np.ndarray]] = (_prepared(image, preprocessing) for image in images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._prepared, None)


def _prepared(image: UprightImage, preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    batch = preprocessing.prepare([image])
    return {"pixels": batch.pixels.float().numpy(), "mask": batch.mask.numpy()}
