"""An exported ONNX folder: from an image to its objects."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from condetr_run.preprocessing import prepared, upright


class RunError(Exception):
    """A folder or an image that cannot be used: the file, and why."""


class Model:
    def __init__(self, folder: str | os.PathLike[str], *, threads: int = 0, denormals_as_zero: bool = False) -> None:
        """Open a folder.

        Args:
            folder: written by ``condetr export --format onnx``.
            threads: of the processor; 0 for all.
            denormals_as_zero: take numbers too small for the normal format of floats for zero, which may halve the time
                of a photograph. onnxruntime then does so for all that the thread computes that opens the first session.

        Raises:
            RunError: a file is missing or damaged, or it is no ONNX graph of condetr.
        """
        home = Path(folder)
        record = _read(home / "export.json")
        if record.get("format") != "onnx":
            raise RunError(f"{home}: is a graph for {record.get('format')}, expected onnx")
        self._settings = _read(home / "preprocessor_config.json")
        labels = _read(home / "config.json").get("id2label", {})
        self.names = {int(number): str(name) for number, name in labels.items()}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        options.add_session_config_entry("session.set_denormal_as_zero", str(int(denormals_as_zero)))
        file = home / "model.onnx"
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an exception for each kind of damage
            raise RunError(f"{file}: cannot be read: {str(error)[:200]}") from error
        if {value.name for value in self._session.get_inputs()} != {"pixels", "mask"}:
            raise RunError(f"{file}: has other inputs than pixels and mask")

    def predict(
        self, image: str | os.PathLike[str] | Image.Image, *, threshold: float = 0.5, top_k: int = 100
    ) -> list[dict[str, Any]]:
        """The objects of one image, best first: score, label, and box in pixels of the upright image.

        Args:
            image: a file, or an image of Pillow.
            threshold: objects must score higher.
            top_k: the most objects.

        Raises:
            RunError: the image cannot be read, or a result is not finite.
        """
        pixels = _opened(image)
        logits, boxes = self._session.run(["logits", "boxes"], prepared(pixels, self._settings))
        if not (np.isfinite(logits).all() and np.isfinite(boxes).all()):
            raise RunError("the graph gives values that are not finite")
        flat, classes = logits[0].ravel(), logits.shape[2]
        best = np.argsort(-flat, kind="stable")[:top_k]
        scores = 1 / (1 + np.exp(-flat[best].astype(np.float64)))
        center, size = boxes[0][best // classes, :2], boxes[0][best // classes, 2:]
        corners = np.concatenate((center - size / 2, center + size / 2), 1)
        corners = corners * np.array([pixels.width, pixels.height] * 2)
        return [
            {
                "score": float(score),
                "label": self.names.get(int(label), str(label)),
                "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, box), strict=True)),
            }
            for score, label, box in zip(scores, best % classes, corners, strict=True)
            if score > threshold
        ]


def _opened(image: str | os.PathLike[str] | Image.Image) -> Image.Image:
    try:
        if isinstance(image, Image.Image):
            return upright(image)
        with Image.open(image) as opened:
            return upright(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RunError(f"{image}: cannot be read: {error}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise RunError(f"{file}: cannot be read: {reason}; expected a folder of condetr export --format onnx") from None
    if not isinstance(content, dict):
        raise RunError(f"{file}: is no JSON object")
    return content
