"""One detection explained, as arrays, JSON and figures."""

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from condetr.core.errors import UsageError
from condetr.explain import figures
from condetr.explain.evidence import Evidence
from condetr.explain.regions import center_of, region_of
from condetr.images.saving import IMAGE_FORMATS, image_bytes, save_as, text_bytes

Figure: TypeAlias = Literal["bands", "layers", "encoder"]
FIGURES: tuple[Figure, ...] = get_args(Figure)
ARRAYS = ("content", "spatial", "combined", "encoder", "boxes", "scores")
_DRAWN: dict[str, Callable[[Evidence], Image.Image]] = {
    "bands": figures.bands,
    "layers": figures.layers,
    "encoder": figures.encoder,
}
_DIGITS = 6  # of a weight in JSON, after the first that is not zero: more than bf16 and fp16 have


class Explanation(Evidence):
    """How a detection came about; see `Evidence` for its fields. Heads and layers count from 0."""

    __slots__ = ()

    def figure(self, name: str = "bands") -> Image.Image:
        """A figure of it.

        Args:
            name: "bands": attention of each head of the last decoder layer; "layers": of all decoder layers;
                "encoder": of one pixel in the encoder.

        Raises:
            UsageError: there is no such figure.
        """
        if name not in _DRAWN:
            raise UsageError(f"is {name!r}, expected one of {', '.join(FIGURES)}", item="figure")
        return _DRAWN[name](self)

    def arrays(self) -> dict[str, np.ndarray]:
        """All maps, boxes and scores, with coordinates in pixels of the image: the content of ``.npz`` files."""
        geometry = {name: np.array(getattr(self, name)) for name in ("reference_point", "pixel", "cell", "size")}
        return {name: getattr(self, name) for name in ARRAYS} | geometry | {"box": np.array(self.detection.box)}

    def to_dict(self, *, maps: bool = True) -> dict[str, Any]:
        """Everything as JSON values.

        Args:
            maps: with every weight; without, only the region and mean position of each head of each decoder layer.
        """
        detection = self.detection
        content = {
            "source": self.source,
            "size": list(self.size),
            "detection": self.number,
            "box": list(detection.box),
            "score": detection.score,
            "label": detection.label,
            "name": detection.name,
            "query": self.query,
            "reference_point": list(self.reference_point),
            "pixel": list(self.pixel),
            "cell": list(self.cell),
            "layers": [self._layer(number) for number in range(len(self.combined))],
        }
        return content | ({name: _rounded(getattr(self, name)) for name in ARRAYS[:4]} if maps else {})

    def _layer(self, number: int) -> dict[str, Any]:
        """Of each head, the region of the detection's box and the mean position of the combined weights."""
        heads = [
            {
                "region": region_of(weights, self.detection.box, self.cell),
                "centre": list(center_of(weights, self.cell)),
            }
            for weights in self.combined[number]
        ]
        return {"box": self.boxes[number].tolist(), "score": float(self.scores[number]), "heads": heads}

    def save(self, path: str | Path, *, figure: str = "bands") -> Path:
        """Write a figure (.png, .jpg, .webp), arrays (.npz) or JSON, by the suffix of ``path``.

        Raises:
            UsageError: an unknown suffix, or no such figure.
            StorageError: it cannot be written.
        """
        path = Path(path)
        painted = {ending: partial(_painted, self, figure, ending) for ending in IMAGE_FORMATS}
        return save_as(path, painted | {".npz": self._npz, ".json": partial(_json, self)})

    def contents(self) -> dict[str, Callable[[], bytes]]:
        """Every figure, the arrays, and the JSON without the maps, by file name."""
        drawn = {f"{name}.png": partial(_painted, self, name, ".png") for name in FIGURES}
        return drawn | {"explanation.npz": self._npz, "explanation.json": partial(_json, self, maps=False)}

    def _npz(self) -> bytes:
        stream = io.BytesIO()
        arrays: dict[str, Any] = self.arrays()
        np.savez_compressed(stream, **arrays)
        return stream.getvalue()


def _painted(explanation: Explanation, name: str, ending: str) -> bytes:
    return image_bytes(explanation.figure(name), ending)


def _json(explanation: Explanation, *, maps: bool = True) -> bytes:
    return text_bytes(json.dumps(explanation.to_dict(maps=maps), allow_nan=False) + "\n")


def _rounded(values: np.ndarray) -> Any:
    """Nested lists of numbers with 6 significant digits."""
    flat = [float(f"{value:.{_DIGITS}g}") for value in values.reshape(-1).tolist()]
    return np.array(flat).reshape(values.shape).tolist()
