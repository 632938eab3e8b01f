"""Runs ONNX folders that condetr exported, without PyTorch."""

from condetr_run.model import Model as Model
from condetr_run.model import RunError as RunError
