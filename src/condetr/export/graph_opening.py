"""Files of graphs, opened by the library that runs them."""

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from condetr.core.errors import CheckpointError
from condetr.core.names import GraphFormat
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory
from condetr.export.extras import needed
from condetr.export.graph_formats import BEST, EVIDENCE, GRAPH_FILES, MASK_FILES, PREDICTION

Arrays: TypeAlias = Mapping[str, np.ndarray]
Run: TypeAlias = Callable[[Arrays], Arrays]


class _Opened(NamedTuple):
    run: Run
    inputs: Collection[str]
    outputs: Collection[str]


def open_look(form: GraphFormat, folder: Path, threads: int, *, masks: bool = False) -> Run:
    """The graph in a folder that looks at images, ready to run on the CPU; for ``masks`` it says more.

    Raises:
        CheckpointError: the file is damaged, or is a graph of something else.
        MissingExtraError: what runs it is not installed.
    """
    gives = (*PREDICTION, "embeddings", *EVIDENCE) if masks else PREDICTION
    return _open(form, folder / GRAPH_FILES[form][0], threads, ("pixels", "mask"), gives)


def open_masks(form: GraphFormat, folder: Path, threads: int) -> Run:
    """The graph in a folder that makes masks of what the other says; it raises what `open_look` does."""
    return _open(form, folder / MASK_FILES[form][0], threads, ("chosen", *EVIDENCE), ("masks",))


def _open(form: GraphFormat, file: Path, threads: int, takes: tuple[str, ...], gives: tuple[str, ...]) -> Run:
    library = {"onnx": "onnxruntime", "openvino": "openvino"}.get(form)
    if library is not None:
        needed(library)
    try:
        opened = _OPENERS[form](file, threads, takes, gives)
    except Exception as error:  # each library has its own ways to say that a file is damaged
        if is_out_of_memory(error):
            raise out_of_memory(
                "while it was opened", source=file, hint="free memory, or export a smaller model"
            ) from error
        said = str(error).strip().splitlines() or [type(error).__name__]
        reason = f"cannot be read: {said[0][:200]}"
        raise CheckpointError(reason, source=file, hint="export the model again") from error
    if set(opened.inputs) != set(takes) or not set(gives) <= set(opened.outputs):
        found = f"goes from {', '.join(sorted(opened.inputs))} to {', '.join(sorted(opened.outputs))}"
        reason = f"{found}, expected {' and '.join(takes)} to {' and '.join(gives)}"
        raise CheckpointError(reason, source=file, hint="export the model with condetr")
    return opened.run


def _open_onnx(file: Path, threads: int, *_: Any) -> _Opened:
    runtime = needed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]

    def run(given: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, dict(given)), strict=True))

    return _Opened(run, {value.name for value in session.get_inputs()}, names)


def _open_openvino(file: Path, threads: int, *_: Any) -> _Opened:
    core = needed("openvino").Core()
    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(str(file), "CPU", options)
    own = threading.local()  # threads that share a request get each other's answers

    def run(given: Arrays) -> Arrays:
        if not hasattr(own, "request"):
            own.request = model.create_infer_request()
        answer: Any = own.request.infer(dict(given))
        return {value.any_name: array for value, array in answer.items()}

    return _Opened(run, _names_of(model.inputs), _names_of(model.outputs))


def _names_of(values: Any) -> set[str]:
    return {value.any_name if value.names else "something without a name" for value in values}


def _open_torch(
    file: Path,
    threads: int,  # noqa: ARG001  PyTorch has its own
    takes: tuple[str, ...],
    gives: tuple[str, ...],
) -> _Opened:
    """Only for what was written a moment ago: to read such a file can run code that is in it."""
    module = torch.export.load(file).module()

    def run(given: Arrays) -> Arrays:
        with torch.no_grad():
            answer = [one.numpy() for one in module(*(torch.from_numpy(given[name]) for name in takes))]
        names = gives if len(answer) == len(gives) else (*PREDICTION, *BEST, *gives[len(PREDICTION) :])
        return dict(zip(names, answer, strict=True))

    return _Opened(run, takes, gives)


_OPENERS: dict[GraphFormat, Callable[..., _Opened]] = {
    "onnx": _open_onnx,
    "openvino": _open_openvino,
    "torch-export": _open_torch,
}
