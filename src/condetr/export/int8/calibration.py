"""Post-training quantization to int8, calibrated on real images.

Convolutions and linear layers of the transformer get 8 bits, but not what computes positions (`Traced.products`), not
the products of attention, and not the heads: those cost the digit detector AP.
"""

import logging
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from condetr.export.extras import at_level, needed, quiet, without_warnings
from condetr.images.preprocessing import Preprocessing
from condetr.images.resize import UprightImage

_ACTIVATIONS = "Relu", "Clip"  # of ReLU and ReLU6; quantization to unsigned numbers from 0 on includes what they do


def quantized(
    model: Any, products: Collection[str], images: Sequence[UprightImage], preprocessing: Preprocessing, bits: int
) -> Any:
    """An OpenVINO model with int8 convolutions and linear layers, calibrated on preprocessed images.

    Args:
        model: in fp32.
        products: names of the linear layers in the traced program.
        images: to calibrate on.
        preprocessing: of the images.
        bits: of the weights, 7 or 8.
    """
    nncf = needed("nncf")
    names = [node.get_friendly_name() for node in model.get_ops() if node.get_type_name() == "MatMul"]
    kept = [name for name in names if name.partition("/")[0] not in products]
    with at_level(logging.ERROR, "nncf"), redirect_stdout(sys.stderr):  # NNCF prints its progress
        return nncf.quantize(
            model,
            nncf.Dataset(list(images), lambda image: _prepared(image, preprocessing)),
            subset_size=len(images),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=kept, types=["ScaledDotProductAttention"], validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix="enable" if bits == 7 else "disable"),
        )


def quantize_onnx(
    file: Path,
    output: Path,
    products: Collection[str],
    images: Sequence[UprightImage],
    preprocessing: Preprocessing,
    bits: int,
) -> None:
    """Write an ONNX graph with int8 convolutions and linear layers: QDQ, weights symmetric with a scale a channel.

    Args:
        file: the graph in fp32, its norms folded into the convolutions.
        output: the file to write.
        products: names of the linear layers in the traced program.
        images: to calibrate on.
        preprocessing: of the images.
        bits: of the weights, 7 or 8.
    """
    needed("onnxruntime")
    with quiet():
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    nodes = needed("onnx").load(file, load_external_data=False).graph.node
    chosen = [node for node in nodes if node.op_type == "Conv" or node.name.partition("/")[0] in products]
    # What an activation cuts off shall not take a part of the 8 bits: they are those of its output.
    convolved = {node.output[0] for node in chosen if node.op_type == "Conv"}
    chosen += [node for node in nodes if node.op_type in _ACTIVATIONS and node.input[0] in convolved]
    with quiet(), without_warnings(), redirect_stdout(sys.stderr):
        quantize_static(
            file,
            output,
            _Images(images, preprocessing),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MatMul", *_ACTIVATIONS],
            nodes_to_quantize=[node.name for node in chosen],
            per_channel=True,
            reduce_range=bits == 7,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},  # sums in fp32 follow
        )


class _Images:
    """What onnxruntime calls a calibration data reader."""

    def __init__(self, images: Sequence[UprightImage], preprocessing: Preprocessing) -> None:
        self._prepared: Iterator[dict[str, np.ndarray]] = (_prepared(image, preprocessing) for image in images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._prepared, None)


def _prepared(image: UprightImage, preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    batch = preprocessing.prepare([image])
    return {"pixels": batch.pixels.float().numpy(), "mask": batch.mask.numpy()}
