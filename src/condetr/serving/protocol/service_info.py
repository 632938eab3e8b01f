"""What a service says of itself and its model."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is served, as callers see it.

    Attributes:
        name: of the model.
        version: of condetr.
        backend: what computes.
        classes: every class name.
        threshold: detections at or below it are left out, unless a caller asks for another.
        token: callers must send it, where there is one.
        metrics: whether they are shown.
    """

    name: str
    version: str
    backend: str
    classes: tuple[str, ...]
    threshold: float
    token: str | None = None
    metrics: bool = True

    def metadata(self, *, masks: bool) -> dict[str, Any]:
        """Of the model, by the names of the Open Inference Protocol."""
        of_masks = [{"name": "mask", "datatype": "BYTES", "shape": [-1]}] if masks else []
        return {
            "name": self.name,
            "versions": ["1"],
            "platform": f"condetr_{self.backend}",
            "inputs": [{"name": "picture", "datatype": "BYTES", "shape": [1]}],
            "outputs": [
                {"name": "score", "datatype": "FP32", "shape": [-1]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
                {"name": "box", "datatype": "INT32", "shape": [-1, 4]},
                *of_masks,
            ],
            "classes": list(self.classes),
            "threshold": self.threshold,
        }
