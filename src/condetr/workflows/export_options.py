"""The options of an export that the command line and Python share; nothing here imports torch."""

from dataclasses import dataclass
from typing import Annotated, get_args

from condetr.core.errors import UsageError
from condetr.core.names import GraphPrecision, Int8Target


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """Help texts are those of ``condetr export --help``."""

    precision: Annotated[GraphPrecision, "of weights and arithmetic; int8 is for onnx and openvino"] = "fp32"
    target: Annotated[
        Int8Target, "processors of an int8 graph: any, or vnni (weights of 8 bits); auto: vnni if this one has it"
    ] = "any"
    max_batch: Annotated[int, "maximum batch of a TensorRT engine"] = 8
    dynamic: Annotated[bool, "accept any batch and image size; with --no-dynamic one image of one size"] = True
    post_processing: Annotated[int | None, "include post-processing in the graph, for this many detections"] = None
    masks: Annotated[bool, "also export the mask head, as a second graph, where the model has one"] = True
    triton: Annotated[bool, "also write a model repository for Triton, with copies of the graphs; for onnx"] = False
    verify: Annotated[bool, "compare with the model on images, and exit with status 8 if they differ"] = True
    tolerance: Annotated[float | None, "largest difference allowed; default: 1e-4, or 0.02 for fp16"] = None
    split: Annotated[str | None, "split of the data to measure on; default: val, test or the only one"] = None
    calibrate: Annotated[int, "maximum number of images for the calibration of int8"] = 200

    def __post_init__(self) -> None:
        if self.target not in get_args(Int8Target):
            raise UsageError(f"is {self.target!r}, expected any, vnni or auto", item="target")
        if self.target != "any" and self.precision != "int8":
            raise UsageError("is for int8", item="target", hint="--precision int8")
        for name in ("post_processing", "calibrate", "max_batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"is {value}, expected at least 1", item=name)
