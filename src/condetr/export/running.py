"""Exported graphs, run: what takes the place of the network where no PyTorch network is built."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from condetr.core.errors import CheckpointError, ModelError, UsageError
from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.export.extras import needed
from condetr.export.formats import GRAPH_FILES, OUTPUTS, Format
from condetr.images.sizes import HeightWidth

Answer: TypeAlias = Mapping[str, np.ndarray]
Run: TypeAlias = Callable[[np.ndarray, np.ndarray], Answer]


class ExportedNetwork(nn.Module):
    """Answers as the network does that was exported, padded batches included. It has no weights of PyTorch."""

    def __init__(self, run: Run, *, fixed: HeightWidth | None = None) -> None:
        super().__init__()
        self._run, self._fixed = run, fixed

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Prediction:
        """Logits and boxes.

        Raises:
            UsageError: the graph was exported for another size.
            ModelError: the graph cannot be run on this.
        """
        mask = torch.ones(pixels[:, 0].shape, dtype=torch.bool) if mask is None else mask
        if self._fixed is None:
            return _prediction(self.run(pixels, mask))
        if tuple(pixels.shape[-2:]) != self._fixed:
            given, known = ("x".join(map(str, size)) for size in (pixels.shape[-2:], self._fixed))
            reason = f"the picture is prepared as {given}, but the graph was exported for {known} alone"
            raise UsageError(reason, item="image_size", hint="export it with --dynamic for every size")
        alone = [_prediction(self.run(*one)) for one in zip(pixels.split(1), mask.split(1), strict=True)]
        return Prediction(*(torch.cat(parts) for parts in zip(*alone, strict=True)))

    def run(self, pixels: Tensor, mask: Tensor) -> Answer:
        """Everything that the graph says, by name."""
        try:
            return self._run(pixels.float().cpu().numpy(), mask.cpu().numpy())
        except (RuntimeError, ValueError) as error:
            said = str(error).strip().splitlines()
            reason = f"the exported graph cannot be run on {len(pixels)} pictures of {_size(pixels)}: {said[-1]}"
            raise ModelError(reason, hint="lower batch or the image size, or use the model itself") from error


def _prediction(answer: Answer) -> Prediction:
    return Prediction(torch.from_numpy(answer["logits"]), torch.from_numpy(answer["boxes"]))


def _size(pixels: Tensor) -> str:
    return "x".join(map(str, pixels.shape[-2:]))


def opened(form: Format, folder: Path, threads: int) -> Run:
    """The graph in a folder, ready to run on the CPU.

    Raises:
        CheckpointError: the file is damaged, or is a graph of something else.
        MissingExtraError: what runs it is not installed.
    """
    opener: Callable[[Path, int], tuple[Run, set[str], set[str]]] = _OPENERS[form]
    library = {"onnx": "onnxruntime", "openvino": "openvino"}.get(form)
    if library is not None:
        needed(library)
    file = folder / GRAPH_FILES[form][0]
    try:
        run, inputs, outputs = opener(file, threads)
    except Exception as error:  # each library has its own ways to say that a file is damaged
        said = str(error).strip().splitlines() or [type(error).__name__]
        reason = f"cannot be read: {said[0][:200]}"
        raise CheckpointError(reason, source=file, hint="export the model again") from error
    if inputs != {"pixels", "mask"} or not {"logits", "boxes"} <= outputs:
        reason = f"goes from {', '.join(sorted(inputs))} to {', '.join(sorted(outputs))}, expected pixels and mask to"
        raise CheckpointError(f"{reason} logits and boxes", source=file, hint="export the model with condetr")
    return run


def _open_onnx(file: Path, threads: int) -> tuple[Run, set[str], set[str]]:
    runtime = needed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]

    def run(pixels: np.ndarray, mask: np.ndarray) -> Answer:
        return dict(zip(names, session.run(names, {"pixels": pixels, "mask": mask}), strict=True))

    return run, {value.name for value in session.get_inputs()}, set(names)


def _open_openvino(file: Path, threads: int) -> tuple[Run, set[str], set[str]]:
    core = needed("openvino").Core()
    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(str(file), "CPU", options)
    request = model.create_infer_request()

    def run(pixels: np.ndarray, mask: np.ndarray) -> Answer:
        answer: Any = request.infer({"pixels": pixels, "mask": mask})
        return {value.any_name: array for value, array in answer.items()}

    return run, _names_of(model.inputs), _names_of(model.outputs)


def _names_of(values: Any) -> set[str]:
    return {value.any_name if value.names else "something without a name" for value in values}


def _open_torch(file: Path, threads: int) -> tuple[Run, set[str], set[str]]:  # noqa: ARG001  PyTorch has its own
    """Only for what was written a moment ago: to read such a file can run code that is in it."""
    module = torch.export.load(file).module()

    def run(pixels: np.ndarray, mask: np.ndarray) -> Answer:
        with torch.no_grad():
            answer = module(torch.from_numpy(pixels), torch.from_numpy(mask))
        return {name: tensor.numpy() for name, tensor in zip(OUTPUTS, answer, strict=False)}

    return run, {"pixels", "mask"}, {"logits", "boxes"}


_OPENERS: dict[Format, Callable[[Path, int], tuple[Run, set[str], set[str]]]] = {
    "onnx": _open_onnx,
    "openvino": _open_openvino,
    "torch-export": _open_torch,
}
