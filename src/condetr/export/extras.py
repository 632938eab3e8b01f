"""The libraries of the optional extras, asked for where they are first needed."""

import importlib
import logging
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
}
_NOISY = (
    "torch.export",
    "torch.onnx",
    "torch.fx",
    "torch.fx.experimental.symbolic_shapes",
    "torch._dynamo",
    "torch.utils.cpp_extension",
)


def needed(library: str) -> ModuleType:
    """The library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        with quiet():
            return importlib.import_module(library)
    except ImportError:
        extra, purpose = _EXTRA_OF[library]
        raise MissingExtraError(library, extra, purpose) from None


@contextmanager
def quiet() -> Iterator[None]:
    """What these libraries tell their developers is kept from people; errors are raised, not told."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
