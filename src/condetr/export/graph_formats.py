"""Export formats, what each can hold, and the names of files, inputs, outputs and dynamic axes."""

from typing import get_args

from condetr.core.errors import UsageError
from condetr.core.names import GraphFormat, GraphPrecision
from condetr.export.extras import needed

RUNNABLE = ("onnx", "openvino", "executorch", "tensorrt")  # by condetr
ONE_SIZE = ("executorch",)  # their memory is planned at export
WITHOUT_MASKS = ("executorch", "tensorrt")  # their number of objects is not fixed
PRECISIONS: dict[GraphFormat, tuple[GraphPrecision, ...]] = {
    "onnx": ("fp32", "fp16", "int8"),
    "openvino": ("fp32", "fp16", "int8"),
    "torch-export": ("fp32", "fp16"),
    "executorch": ("fp32",),
    "tensorrt": ("fp32", "fp16"),
}

GRAPH_FILES: dict[GraphFormat, tuple[str, ...]] = {
    "onnx": ("model.onnx",),
    "openvino": ("model.xml", "model.bin"),
    "torch-export": ("model.pt2",),
    "executorch": ("model.pte",),
    "tensorrt": ("model.plan",),
}
MASK_FILES: dict[GraphFormat, tuple[str, ...]] = {
    "onnx": ("masks.onnx",),
    "openvino": ("masks.xml", "masks.bin"),
    "torch-export": ("masks.pt2",),
    "executorch": (),
    "tensorrt": (),
}
PREDICTION = ("logits", "boxes")
BEST = ("scores", "labels", "boxes_xyxy")  # of post-processing
FEATURES = ("coarse", "finer_1", "finer_2", "finer_3")
MASK_INPUTS = ("keys", "cells", *FEATURES)  # shared by all masks of an image
AXES: dict[str, tuple[str, ...]] = {  # the names of dynamic axes
    "pixels": ("batch", "colours", "height", "width"),
    "mask": ("batch", "height", "width"),
    "logits": ("batch", "queries", "classes"),
    "boxes": ("batch", "queries", "4"),
    "scores": ("batch", "best"),
    "labels": ("batch", "best"),
    "boxes_xyxy": ("batch", "best", "4"),
    "embeddings": ("batch", "queries", "channels"),
    "keys": ("batch", "heads", "rows", "columns", "width of a head"),
    "cells": ("batch", "rows", "columns"),
    "coarse": ("batch", "coarse channels", "rows", "columns"),
    **{
        f"finer_{level}": ("batch", f"finer channels {level}", f"rows_{level}", f"columns_{level}")
        for level in range(1, len(FEATURES))
    },
    "chosen": ("objects", "channels"),
    "masks": ("objects", "rows_3", "columns_3"),
}
_LIBRARIES: dict[GraphFormat, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino",),
    "torch-export": (),
    "executorch": ("executorch",),
    "tensorrt": ("tensorrt", "onnx", "onnxscript"),
}


def files_of(form: GraphFormat, *, masks: bool) -> tuple[str, ...]:
    """The files of the graph, and of the mask graph."""
    return GRAPH_FILES[form] + (MASK_FILES[form] if masks else ())


def check_combination(form: str, precision: str, *, dynamic: bool) -> None:
    """Raises UsageError where there is no such graph."""
    if form not in PRECISIONS:
        raise UsageError(f"is {form!r}, expected one of {', '.join(PRECISIONS)}", item="format")
    if precision not in get_args(GraphPrecision):
        raise UsageError(f"is {precision!r}, expected fp32, fp16 or int8", item="precision")
    able = [name for name, precisions in PRECISIONS.items() if precision in precisions]
    if form not in able:
        names = " and ".join([", ".join(able[:-1]), able[-1]])
        raise UsageError(f"{precision} is supported for {names}, not for {form}", item="precision")
    if dynamic and form in ONE_SIZE:
        raise UsageError(f"graphs for {form} have one size", item="dynamic", hint="--no-dynamic --image-size 480x640")


def libraries_of(form: GraphFormat, precision: GraphPrecision) -> tuple[str, ...]:
    """The libraries that a graph needs.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    libraries = _LIBRARIES[form] + (("nncf",) if precision == "int8" and form == "openvino" else ())
    for library in libraries:
        needed(library)
    return libraries
