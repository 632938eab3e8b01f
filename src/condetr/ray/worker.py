"""What runs in the processes of Ray: a stage that decodes, and actors that hold the network."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import torch

import condetr
from condetr.core.errors import CondetrError, UsageError
from condetr.images.decoding.pixel_limit import limited_to
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.prediction.predictor import Failure, Predictor, PreparedImage
from condetr.prediction.sources import ImageSource
from condetr.prediction.tiling import TiledPredictor
from condetr.ray.library import ray_library
from condetr.ray.model_files import model_in

Record: TypeAlias = dict[str, Any] | CondetrError  # of `Detections.to_dict`; masks are run lengths there


class Prepared(NamedTuple):
    """A block of images, decoded and resized, with the warnings that came up."""

    images: list[PreparedImage | Failure]
    warnings: list[str]


class Found(NamedTuple):
    """The results of a block, with all warnings."""

    records: list[Record]
    warnings: list[str]


def prepare(sources: Sequence[ImageSource], preprocessing: Preprocessing, most_pixels: int) -> Prepared:
    """Decode and resize the images of a block; an error stands in the place of what cannot be decoded."""
    torch.set_num_threads(1)
    with limited_to(most_pixels), _collected_warnings() as warnings:
        return Prepared([_prepared(source, preprocessing) for source in sources], warnings)


def _prepared(source: ImageSource, preprocessing: Preprocessing) -> PreparedImage | Failure:
    try:
        batch = preprocessing.prepare([source.image()])
    except CondetrError as error:
        return Failure(source.name, error)
    return PreparedImage(replace(source, content=source.name), batch)  # the pixels are in the batch


class DetectionActor:
    """Holds the network, on a GPU or a part of it; Ray makes it again when its process dies.

    Each call brings ``model``, Ray's reference to its `Content` in a list: it is fetched where it is not loaded yet,
    also after such a death.
    """

    def __init__(
        self,
        version: str,
        threads: int,
        loading: Mapping[str, Any],
        options: Mapping[str, Any],
        tile: tuple[int, int] | None,
    ) -> None:
        """Keep what loading needs; an error of it arrives at the caller whole, and one here would not.

        Args:
            version: of condetr in the process that started the run.
            threads: of the network.
            loading: further arguments of `condetr.load`.
            options: of the predictor.
            tile: (height, width) of tiles.
        """
        self._starter_version, self._threads = version, threads
        self._loading, self._options, self._tile = loading, options, tile
        self._predictor: Predictor | None = None

    def start(self, model: Sequence[Any]) -> tuple[str, list[str]]:
        """Load the model; returns the device and the warnings that came up.

        Raises:
            UsageError: the node has another version of condetr.
            CondetrError: the model cannot be loaded there.
        """
        with _collected_warnings() as warnings:
            device = self._ready(model).device
        return str(device), warnings

    def detect(self, model: Sequence[Any], prepared: Prepared) -> Found:
        """The results of a block, in its order."""
        predictor = self._ready(model)
        with _collected_warnings() as warnings:
            records = [_record_of(result) for result in predictor.predict_prepared(iter(prepared.images))]
        return Found(records, [*prepared.warnings, *warnings])

    def detect_in_tiles(self, model: Sequence[Any], sources: Sequence[ImageSource], most_pixels: int) -> Found:
        """The same for images that are decoded here, since all their tiles are needed."""
        assert self._tile is not None
        predictor = TiledPredictor(self._ready(model), self._tile)
        with limited_to(most_pixels), _collected_warnings() as warnings:
            records = [_record_of(result) for result in predictor.stream(list(sources), on_error="collect")]
        return Found(records, warnings)

    def _ready(self, model: Sequence[Any]) -> Predictor:
        if self._predictor is None:
            if condetr.__version__ != self._starter_version:
                reason = f"a node has condetr {condetr.__version__}, and the run was started by {self._starter_version}"
                raise UsageError(reason, hint="install one version on all nodes")
            torch.set_num_threads(self._threads)
            (content,) = ray_library().get(list(model))
            with model_in(content) as path:
                self._predictor = condetr.load(path, **self._loading).predictor(**self._options)
        return self._predictor


def _record_of(result: Detections | Failure) -> Record:
    return result.error if isinstance(result, Failure) else result.to_dict()


class _ListHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """The warnings of condetr, since only the process that started the run can show them."""
    handler, logger = _ListHandler(), logging.getLogger("condetr")
    logger.addHandler(handler)
    try:
        yield handler.messages
    finally:
        logger.removeHandler(handler)
