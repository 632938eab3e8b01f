"""What a network can be exported as, and what the files and free axes are called."""

from typing import Literal, TypeAlias

from condetr.core.errors import UsageError
from condetr.export.extras import needed

Format: TypeAlias = Literal["onnx", "openvino", "torch-export"]
Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
RUNNABLE = ("onnx", "openvino")  # what condetr itself predicts with

GRAPH_FILES: dict[Format, tuple[str, ...]] = {
    "onnx": ("model.onnx",),
    "openvino": ("model.xml", "model.bin"),
    "torch-export": ("model.pt2",),
}
INPUT_AXES: dict[str, tuple[str | int, ...]] = {
    "pixels": ("batch", "colours", "height", "width"),
    "mask": ("batch", "height", "width"),
}
OUTPUTS = ("logits", "boxes", "scores", "labels", "boxes_xyxy")  # the last three are of post-processing
_LIBRARIES: dict[Format, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino",),
    "torch-export": (),
}


def check_possible(form: str, precision: str) -> tuple[str, ...]:
    """The libraries that this takes.

    Raises:
        UsageError: there is no such combination.
        MissingExtraError: one of them is not installed.
    """
    if form not in GRAPH_FILES:
        raise UsageError(f"is {form!r}, expected one of {', '.join(GRAPH_FILES)}", item="format")
    if precision not in ("fp32", "fp16", "int8"):
        raise UsageError(f"is {precision!r}, expected fp32, fp16 or int8", item="precision")
    if precision == "int8" and form != "openvino":
        raise UsageError(f"int8 is made for openvino, not for {form}", item="precision", hint="--format openvino")
    libraries = _LIBRARIES[form] + (("nncf",) if precision == "int8" else ())
    for library in libraries:
        needed(library)
    return libraries
