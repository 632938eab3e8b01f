"""Writing the graph files of a network into a folder."""

import copy
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from condetr.core.names import GraphFormat, GraphPrecision
from condetr.export.executorch_program import write_executorch
from condetr.export.extras import needed
from condetr.export.folded_norms import with_folded_norms
from condetr.export.graph import DetectionGraph, MaskGraph, SegmentationGraph
from condetr.export.graph_formats import GRAPH_FILES, MASK_FILES, files_of, libraries_of
from condetr.export.graph_writing import openvino_model, write_onnx, write_openvino, write_torch
from condetr.export.half_precision import in_half_precision, with_half_weights
from condetr.export.int8.calibration import quantize_onnx, quantized
from condetr.export.int8.target import BITS, Target
from condetr.export.plain_attention import with_plain_attention
from condetr.export.same_padding import with_padding_of_any_size
from condetr.export.tensorrt_engine import gpu_name, profile_of, write_engine
from condetr.export.tracing import Traced, traced_detection, traced_masks
from condetr.images.preprocessing import Preprocessing
from condetr.images.resize import UprightImage
from condetr.images.sizes import HeightWidth
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.speed.accelerate import can_accelerate
from condetr.speed.decoder_constants import precompute_decoder

_HALVED: dict[GraphFormat, Callable[[nn.Module], nn.Module]] = {  # OpenVINO stores halves by itself
    "onnx": with_half_weights,
    "torch-export": in_half_precision,
    "tensorrt": in_half_precision,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphKind:
    """The kind of a graph.

    Attributes:
        form: the file format.
        precision: of weights and arithmetic; ONNX and OpenVINO in fp16 store halves and compute in fp32 on a CPU.
        fixed: the only (height, width) that it accepts, at a batch of one; None for any batch and size.
        best: the number of detections from post-processing inside the graph; None for none.
        target: the processors of an int8 graph.
        max_batch: the most images in a batch of a TensorRT engine.
    """

    form: GraphFormat
    precision: GraphPrecision = "fp32"
    fixed: HeightWidth | None = None
    best: int | None = None
    target: Target = "any"
    max_batch: int = 8


def build(
    network: nn.Module,
    kind: GraphKind,
    folder: Path,
    *,
    colors: int,
    preprocessing: Preprocessing,
    calibration: Sequence[UprightImage] = (),
) -> dict[str, Any]:
    """Write the graph, and for a segmenter the graph of masks; returns their record for export.json.

    Args:
        network: in evaluation mode, in float32 on the CPU; not modified.
        kind: of the graph.
        folder: for the files.
        colors: channels of an image.
        preprocessing: of the images of ``calibration``.
        calibration: images to calibrate int8 on.

    Raises:
        ModelError: the network cannot be exported.
        MissingExtraError: a library is not installed.
    """
    libraries = libraries_of(kind.form, kind.precision)
    network = copy.deepcopy(network).eval()
    network = with_padding_of_any_size(network)
    if can_accelerate(network):
        network = precompute_decoder(network).network
    if kind.precision == "fp16" and kind.form in _HALVED:
        network = _HALVED[kind.form](network)
    elif kind.precision == "int8" and kind.form == "onnx":
        network = with_folded_norms(network)
    if kind.form in ("onnx", "tensorrt"):
        network = with_plain_attention(network)
    segments, masks = isinstance(network, ConditionalDetrSegmenter), None
    graph: type[DetectionGraph] = SegmentationGraph if segments else DetectionGraph
    detection = traced_detection(graph(network, best=kind.best).eval(), colors, kind.fixed)
    _write(detection, kind, folder / GRAPH_FILES[kind.form][0], calibration, preprocessing)
    if isinstance(network, ConditionalDetrSegmenter):
        masks = traced_masks(MaskGraph(network.mask_head).eval(), detection)
        _write(masks, kind, folder / MASK_FILES[kind.form][0])
    return {
        "format": kind.form,
        "precision": kind.precision,
        "target": kind.target if kind.precision == "int8" else None,
        "dynamic": kind.fixed is None,
        "files": {name: (folder / name).stat().st_size for name in files_of(kind.form, masks=segments)},
        **detection.described(),
        "masks": None if masks is None else masks.described(),
        "versions": {name: _version(name) for name in ("torch", *libraries)},
        **({"gpu": gpu_name()} if kind.form == "tensorrt" else {}),
    }


def _write(
    traced: Traced,
    kind: GraphKind,
    file: Path,
    calibration: Sequence[UprightImage] = (),
    preprocessing: Preprocessing | None = None,
) -> None:
    """Without preprocessing, as for masks, int8 is not applied."""
    if kind.form == "torch-export":
        write_torch(traced, file)
    elif kind.form == "executorch":
        write_executorch(traced, file)
    elif kind.form == "openvino":
        model = openvino_model(traced)
        if kind.precision == "int8" and preprocessing is not None:
            model = quantized(model, traced.products(), calibration, preprocessing, BITS[kind.target])
        write_openvino(model, file, half=kind.precision == "fp16")
    else:
        with TemporaryDirectory() as folder:
            plain = Path(folder) / "model.onnx"
            write_onnx(traced, plain)
            if kind.form == "tensorrt" and preprocessing is not None:
                profile = None if kind.fixed else profile_of(preprocessing, kind.max_batch)
                write_engine(plain, file, profile)
            elif kind.precision == "int8" and preprocessing is not None:
                quantize_onnx(plain, file, traced.products(), calibration, preprocessing, BITS[kind.target])
            else:
                shutil.move(plain, file)


def _version(library: str) -> str:
    """Of the package, or of the module where a package has another name, as tensorrt-cu13."""
    try:
        return version(library)
    except PackageNotFoundError:
        return str(getattr(needed(library), "__version__", "unknown"))
