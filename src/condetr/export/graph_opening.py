"""Opening graph files with the library that runs them."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from condetr.core.denormals import denormals_as_zero
from condetr.core.errors import CheckpointError, CondetrError
from condetr.core.names import GraphFormat
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory
from condetr.export.executorch_program import open_executorch
from condetr.export.extras import needed
from condetr.export.graph_formats import GRAPH_FILES, MASK_FILES, MASK_INPUTS, PREDICTION
from condetr.export.opened import Arrays, Opened, Run, named_outputs
from condetr.export.tensorrt_engine import open_engine


def open_detection(form: GraphFormat, folder: Path, threads: int, *, masks: bool = False) -> Run:
    """The detection graph of a folder, ready to run on the CPU; with ``masks`` it also outputs what masks need.

    Raises:
        CheckpointError: the file is damaged, or has other inputs or outputs.
        MissingExtraError: its library is not installed.
    """
    outputs = (*PREDICTION, "embeddings", *MASK_INPUTS) if masks else PREDICTION
    return _open(form, folder / GRAPH_FILES[form][0], threads, ("pixels", "mask"), outputs)


def open_masks(form: GraphFormat, folder: Path, threads: int) -> Run:
    """The mask graph of a folder; errors as in `open_detection`."""
    return _open(form, folder / MASK_FILES[form][0], threads, ("chosen", *MASK_INPUTS), ("masks",))


def _open(form: GraphFormat, file: Path, threads: int, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Run:
    library = {"onnx": "onnxruntime"}.get(form, form)
    if form != "torch-export":
        needed(library)
    try:
        opened = _OPENERS[form](file, threads, inputs, outputs)
    except CondetrError:
        raise
    except Exception as error:  # each library has its own errors for damaged files
        if is_out_of_memory(error):
            raise out_of_memory(
                "while it was opened", source=file, hint="free memory, or export a smaller model"
            ) from error
        message = str(error).strip().splitlines() or [type(error).__name__]
        reason = f"cannot be read: {message[0][:200]}"
        raise CheckpointError(reason, source=file, hint="export the model again") from error
    if set(opened.inputs) != set(inputs) or not set(outputs) <= set(opened.outputs):
        actual = f"goes from {', '.join(sorted(opened.inputs))} to {', '.join(sorted(opened.outputs))}"
        reason = f"{actual}, expected {' and '.join(inputs)} to {' and '.join(outputs)}"
        raise CheckpointError(reason, source=file, hint="export the model with condetr")
    return opened.run


def _open_onnx(file: Path, threads: int, *_: Any) -> Opened:
    runtime = needed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # in the session's own threads
    with denormals_as_zero():  # the first session of a process also sets it in this thread, and leaves it so
        session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]

    def run(arrays: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, dict(arrays)), strict=True))

    return Opened(run, {value.name for value in session.get_inputs()}, names)


def _open_openvino(file: Path, threads: int, *_: Any) -> Opened:
    core = needed("openvino").Core()
    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(str(file), "CPU", options)
    own = threading.local()  # threads that share a request mix up their outputs

    def run(arrays: Arrays) -> Arrays:
        if not hasattr(own, "request"):
            own.request = model.create_infer_request()
        results: Any = own.request.infer(dict(arrays))
        return {value.any_name: array for value, array in results.items()}

    return Opened(run, _names_of(model.inputs), _names_of(model.outputs))


def _names_of(values: Any) -> set[str]:
    return {value.any_name if value.names else "something without a name" for value in values}


def _open_torch(
    file: Path,
    threads: int,  # noqa: ARG001  PyTorch has its own
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> Opened:
    """Only for files that were just written: reading such a file can run code in it."""
    module = torch.export.load(file).module()

    def run(arrays: Arrays) -> Arrays:
        with torch.no_grad():
            results = [result.numpy() for result in module(*(torch.from_numpy(arrays[name]) for name in inputs))]
        return dict(zip(named_outputs(len(results), outputs), results, strict=True))

    return Opened(run, inputs, outputs)


_OPENERS: dict[GraphFormat, Callable[..., Opened]] = {
    "onnx": _open_onnx,
    "openvino": _open_openvino,
    "torch-export": _open_torch,
    "executorch": open_executorch,
    "tensorrt": open_engine,
}
