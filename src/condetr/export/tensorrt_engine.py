"""TensorRT engines: built from an ONNX graph for the GPU of this machine, whose types are those of the graph."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from condetr.core.errors import ModelError, UsageError
from condetr.export.extras import needed
from condetr.export.opened import Arrays, Opened
from condetr.images.preprocessing import Preprocessing

_SMALLEST = 16  # pixels a side, as in the verification
_IMAGES = ((4800, 480), (480, 4800), (4800, 4800), (480, 640))  # whose largest height and width bound those of all
Shape: TypeAlias = tuple[int, ...]
Profile: TypeAlias = Mapping[str, tuple[Shape, Shape, Shape]]


def profile_of(preprocessing: Preprocessing, batch: int) -> Profile:
    """The smallest, the usual and the largest shape of each input: a batch of images after preprocessing."""
    heights, widths = zip(*map(preprocessing.fit, _IMAGES), strict=True)
    usual, largest = (heights[-1], widths[-1]), (max(heights), max(widths))
    if preprocessing.do_pad and preprocessing.pad_size is not None:
        usual = largest = (preprocessing.pad_size.height, preprocessing.pad_size.width)
    sizes = ((1, (_SMALLEST, _SMALLEST)), (1, usual), (batch, largest))
    (a, b, c), (d, e, f) = (
        [(count, *channels, *size) for count, size in sizes] for channels in ((preprocessing.channels,), ())
    )
    return {"pixels": (a, b, c), "mask": (d, e, f)}


def gpu_name() -> str:
    """The GPU that engines are built for and run on.

    Raises:
        UsageError: PyTorch finds none.
    """
    if not torch.cuda.is_available():
        reason = "TensorRT builds and runs engines on an NVIDIA GPU, and PyTorch finds none here"
        raise UsageError(
            reason, item="format", hint="condetr export --format onnx writes the graph for another machine"
        )
    return torch.cuda.get_device_name()


def write_engine(graph: Path, file: Path, profile: Profile | None) -> None:
    """Build an engine from an ONNX graph; products of fp32 are not rounded to TF32.

    Args:
        graph: the ONNX file.
        file: the engine to write.
        profile: shapes of dynamic inputs; None for a graph of one size.

    Raises:
        ModelError: TensorRT cannot read the graph, or cannot build it.
    """
    trt = needed("tensorrt")
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph.read_bytes()):
        problems = "; ".join(parser.get_error(number).desc() for number in range(parser.num_errors))
        raise ModelError(f"TensorRT cannot read the graph: {problems}", item="format", hint="--no-dynamic may work")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if profile is not None:
        shapes = builder.create_optimization_profile()
        for name, (smallest, usual, largest) in profile.items():
            shapes.set_shape(name, smallest, usual, largest)
        config.add_optimization_profile(shapes)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        hint = "the reason is on stderr; a smaller --max-batch, or --no-dynamic, may work"
        raise ModelError("TensorRT cannot build an engine", item="format", hint=hint)
    file.write_bytes(bytes(engine))


def open_engine(file: Path, *_: Any) -> Opened:
    """An engine on the GPU that it was built for, between arrays of the CPU."""
    trt = needed("tensorrt")
    gpu_name()
    runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
    engine = runtime.deserialize_cuda_engine(file.read_bytes())
    if engine is None:
        raise ValueError("TensorRT rejects it: an engine is for the GPU and the TensorRT that built it")
    names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    types = {trt.DataType.FLOAT: torch.float32, trt.DataType.INT64: torch.int64, trt.DataType.INT32: torch.int32}
    outputs = {name: types[engine.get_tensor_dtype(name)] for name in names if name not in inputs}
    context, stream, alone = engine.create_execution_context(), torch.cuda.Stream(), threading.Lock()

    def run(arrays: Arrays) -> Arrays:
        with alone, torch.cuda.stream(stream):
            sources = {name: _on_gpu(arrays[name]) for name in inputs}
            for name, tensor in sources.items():
                if not context.set_input_shape(name, tuple(tensor.shape)):
                    *_, largest = engine.get_tensor_profile_shape(name, 0)
                    raise ValueError(f"the engine takes {name} of up to {'x'.join(map(str, largest))}")
            targets = {
                name: torch.empty(tuple(context.get_tensor_shape(name)), dtype=kind, device=sources[inputs[0]].device)
                for name, kind in outputs.items()
            }
            for name, tensor in (sources | targets).items():
                context.set_tensor_address(name, tensor.data_ptr())
            if not context.execute_async_v3(stream.cuda_stream):
                raise RuntimeError("TensorRT cannot run the engine")
            stream.synchronize()
            return {name: tensor.cpu().numpy() for name, tensor in targets.items()}

    return Opened(run, inputs, list(outputs))


def _on_gpu(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).cuda()
