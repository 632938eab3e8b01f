"""The libraries of the optional extras, asked for where they are first needed."""

import importlib
from types import ModuleType

from condetr.core.errors import MissingExtraError

_EXTRA_OF = {
    "onnx": ("onnx", "writing ONNX"),
    "onnxscript": ("onnx", "writing ONNX"),
    "onnxruntime": ("onnx", "running ONNX"),
    "openvino": ("openvino", "OpenVINO"),
    "nncf": ("openvino", "int8"),
}


def needed(library: str) -> ModuleType:
    """The library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(library)
    except ImportError:
        extra, purpose = _EXTRA_OF[library]
        raise MissingExtraError(library, extra, purpose) from None
