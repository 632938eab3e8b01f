"""Metadata of a service and its model."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceInfo:
    """The metadata that clients see, and access to it.

    Attributes:
        name: of the model.
        version: of condetr.
        backend: what runs the model.
        classes: all class names.
        threshold: default of requests: detections at or below it are omitted.
        token: required of clients, if set.
        metrics: whether ``/metrics`` exists.
        health_routes: more paths of ``/v2/health/ready``.
        predict_routes: more paths of ``/predict``.
    """

    name: str
    version: str
    backend: str
    classes: tuple[str, ...]
    threshold: float
    token: str | None = None
    metrics: bool = True
    health_routes: tuple[str, ...] = ()
    predict_routes: tuple[str, ...] = ()

    def metadata(self, *, masks: bool) -> dict[str, Any]:
        """Metadata of the model, as in the Open Inference Protocol."""
        mask_output = [{"name": "mask", "datatype": "BYTES", "shape": [-1]}] if masks else []
        return {
            "name": self.name,
            "versions": ["1"],
            "platform": f"condetr_{self.backend}",
            "inputs": [{"name": "picture", "datatype": "BYTES", "shape": [-1]}],
            "outputs": [
                {"name": "score", "datatype": "FP32", "shape": [-1]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
                {"name": "box", "datatype": "INT32", "shape": [-1, 4]},
                {"name": "image", "datatype": "INT32", "shape": [-1]},
                *mask_output,
            ],
            "classes": list(self.classes),
            "threshold": self.threshold,
        }
