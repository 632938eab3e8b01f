"""``condetr.ray.Detect``: detections as columns, for pipelines of Ray Data."""

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from condetr.core.errors import MissingExtraError, UsageError
from condetr.ray.library import require_ray

_COLUMNS = ("image", "bytes", "path")  # the first that a batch has is decoded
_SURROGATES = re.compile("[\ud800-\udfff]")  # of file names that are not text, which Arrow refuses


class Detect:
    """Detects the objects of a batch of images: the class for ``ray.data.Dataset.map_batches``.

    A batch is a mapping of columns with ``image`` (arrays of height, width, 3), ``bytes`` (of encoded files) or
    ``path``. The result has its columns and, for each image, ``boxes`` (x1, y1, x2, y2 in pixels), ``scores``,
    ``labels`` and ``names``, best first, and ``error``: None, or why the image could not be used.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        threshold: float | int = 0.5,
        top_k: int = 100,
        batch: int = 1,
        classes: Sequence[str | int] | None = None,
        tile: int | tuple[int, int] | None = None,
        **loading: Any,
    ) -> None:
        """Load the model.

        Args:
            model: as of `condetr.load`; a path must be readable on every node.
            threshold: detections that score at or below it are left out.
            top_k: the most detections of an image.
            batch: the most images in one forward pass; they must have the same size after resizing.
            classes: names or ids of the classes to detect.
            tile: also detect in tiles of this many pixels a side, or (height, width).
            loading: further arguments of `condetr.load`, such as ``device`` and ``precision``.

        Raises:
            MissingExtraError: ray is not installed.
            CondetrError: the model cannot be loaded, or an option is out of its range.
        """
        require_ray("condetr.ray")
        try:
            self._arrow = importlib.import_module("pyarrow")
        except ImportError:
            raise MissingExtraError("pyarrow", "ray", "condetr.ray") from None
        from condetr.api.load import load

        self._model = load(model, **loading)
        self._options: dict[str, Any] = {
            "threshold": threshold,
            "top_k": top_k,
            "batch": batch,
            "classes": classes,
            "task": "detect",
            "tile": tile,
            "on_error": "collect",
        }

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The batch with the columns of its detections.

        Raises:
            UsageError: it has no column of images.
        """
        from condetr.prediction.predictor import Failure

        results = list(self._model.stream(self._images_of(batch), **self._options))
        records = [{} if isinstance(result, Failure) else result.to_dict() for result in results]
        errors = [_text(str(result.error)) if isinstance(result, Failure) else None for result in results]
        arrow = self._arrow

        def column(key: str, kind: Any) -> Any:
            """Of Arrow, since the type of an empty list could not be inferred."""
            values = [[row[key] for row in record.get("detections", ())] for record in records]
            return arrow.array(values, arrow.list_(kind))

        return dict(batch) | {
            "boxes": column("box", arrow.list_(arrow.float32())),
            "scores": column("score", arrow.float32()),
            "labels": column("label", arrow.int64()),
            "names": column("name", arrow.string()),
            "error": arrow.array(errors, arrow.string()),
        }

    def _images_of(self, batch: Mapping[str, Any]) -> Iterator[Any]:
        from condetr.prediction.sources import ImageSource

        key = next((name for name in _COLUMNS if name in batch), None)
        if key is None:
            reason = f"has the columns {', '.join(map(str, batch))}, expected one of {', '.join(_COLUMNS)}"
            raise UsageError(reason, source="batch", hint="rename_columns of Ray Data renames them")
        paths = batch.get("path")
        for position, content in enumerate(batch[key]):
            name = f"image {position}" if paths is None else str(paths[position])
            image = str(content) if key == "path" else content
            yield ImageSource(name, PurePath(PurePath(name).name), image)


def _text(message: str) -> str:
    return _SURROGATES.sub("\ufffd", message)
