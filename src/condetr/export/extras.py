"""The libraries of optional extras, imported when they are first needed."""

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from condetr.core.errors import MissingExtraError

_EXTRA_OF = {
    "onnx": ("onnx", "writing ONNX"),
    "onnxscript": ("onnx", "writing ONNX"),
    "onnxruntime": ("onnx", "running ONNX"),
    "openvino": ("openvino", "OpenVINO"),
    "nncf": ("openvino", "int8"),
    "tensorrt": ("tensorrt", "TensorRT"),
    "executorch": ("executorch", "ExecuTorch"),
}
_WITH_TELEMETRY = ("openvino", "nncf")
_NOISY = (
    "torch.export",
    "torch.onnx",
    "torch.fx",
    "torch.fx.experimental.symbolic_shapes",
    "torch._dynamo",
    "torch.utils._pytree",
    "torch.utils.cpp_extension",
)


def needed(library: str) -> ModuleType:
    """The library, or a module of it.

    Raises:
        MissingExtraError: it is not installed.
    """
    if library in _WITH_TELEMETRY:
        _switch_off_telemetry()
    try:
        with quiet():
            return importlib.import_module(library)
    except ImportError:
        package = library.partition(".")[0]
        extra, purpose = _EXTRA_OF[package]
        raise MissingExtraError(package, extra, purpose) from None


def _switch_off_telemetry() -> None:
    """Hide the telemetry package before OpenVINO and NNCF are imported; both work without it.

    Its own switch is a file in the user's home folder; its other switch, the variable ``CI``, has other effects.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # Python's way to forbid an import


@contextmanager
def at_level(level: int, *names: str) -> Iterator[None]:
    """Loggers of libraries at another level; their handlers, which may serve other loggers, too, stay as they are."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(level)
        yield
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Without these libraries' log messages and warnings for developers; errors are raised."""
    with at_level(logging.CRITICAL, *_NOISY), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def without_warnings() -> Iterator[None]:
    """Without warnings that a library writes to the root logger: onnxruntime advises steps that were done already."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def without_native_stderr() -> Iterator[None]:
    """Without what C++ code writes to stderr: ExecuTorch describes the processor there."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
