"""Export formats, and the names of files, inputs, outputs and dynamic axes."""

from typing import get_args

from condetr.core.errors import UsageError
from condetr.core.names import GraphFormat, GraphPrecision
from condetr.export.extras import needed

RUNNABLE = ("onnx", "openvino")  # by condetr

GRAPH_FILES: dict[GraphFormat, tuple[str, ...]] = {
    "onnx": ("model.onnx",),
    "openvino": ("model.xml", "model.bin"),
    "torch-export": ("model.pt2",),
}
MASK_FILES: dict[GraphFormat, tuple[str, ...]] = {
    "onnx": ("masks.onnx",),
    "openvino": ("masks.xml", "masks.bin"),
    "torch-export": ("masks.pt2",),
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
}


def files_of(form: GraphFormat, *, masks: bool) -> tuple[str, ...]:
    """The files of the graph, and of the mask graph."""
    return GRAPH_FILES[form] + (MASK_FILES[form] if masks else ())


def check_possible(form: str, precision: str) -> tuple[str, ...]:
    """The libraries that a format and precision need.

    Raises:
        UsageError: there is no such combination.
        MissingExtraError: one of them is not installed.
    """
    if form not in GRAPH_FILES:
        raise UsageError(f"is {form!r}, expected one of {', '.join(GRAPH_FILES)}", item="format")
    if precision not in get_args(GraphPrecision):
        raise UsageError(f"is {precision!r}, expected fp32, fp16 or int8", item="precision")
    if precision == "int8" and form not in RUNNABLE:
        reason = f"int8 is supported for {' and '.join(RUNNABLE)}, not for {form}"
        raise UsageError(reason, item="precision", hint="--format onnx")
    libraries = _LIBRARIES[form] + (("nncf",) if precision == "int8" and form == "openvino" else ())
    for library in libraries:
        needed(library)
    return libraries
