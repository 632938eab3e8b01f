"""``condetr predict --engine ray``: results as from a model on this machine, made by the actors of a cluster.

Only the process that started the run writes results, into the journal that every run has; a process that is killed can
neither lose nor repeat a line. So Ray's own checkpoints, which would be a second record of what is done, are not used.
Nor is Ray Data: its input is complete before it starts, and it repeats forever a block that kills its process.
"""

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import condetr
from condetr.core.errors import CondetrError, ModelError, first_line_of
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.prediction.predictor import Failure, window_of
from condetr.prediction.sources import ImageSource
from condetr.ray.cluster import LOGS, address_of, cluster
from condetr.ray.dispatch import RETRIES, Dispatcher, Send
from condetr.ray.model_files import read_model_files
from condetr.ray.resources import Workers, nodes_of, workers_for
from condetr.ray.sources import portable
from condetr.ray.worker import DetectionActor, Found, Record, prepare

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel

_BLOCK = 8  # images, of predictions one by one
_BLOCK_PIXELS = 16_000_000  # of a block, resized; 192 MB
_BYTES = 12  # of a pixel: three channels in float32
_STORE = 3 << 30  # bytes of blocks, at most
_UNKNOWN = 2_000_000  # pixels of an image that is not resized
_ACTOR_CPUS, _DECODING_CPUS = 0.01, 0.9  # so that both fit on a node with one processor
_ASPECTS = ((3, 3), (3, 4), (9, 16), (3, 5), (1, 2), (1, 3))
_PATIENCE = 60  # seconds until a message says what the run waits for
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What every actor needs to know.

    Attributes:
        loading: further arguments of `condetr.load`, with the device.
        prediction: arguments of ``LoadedModel.predictor``.
        most_pixels: of an image.
        tile: (height, width) of tiles.
    """

    loading: Mapping[str, Any]
    prediction: Mapping[str, Any]
    most_pixels: int
    tile: tuple[int, int] | None = None


class RayEngine:
    """The actors of a run."""

    def __init__(self, dispatcher: Dispatcher, device: str) -> None:
        self._dispatcher, self.device = dispatcher, device

    def stream(
        self,
        images: Iterable[ImageSource],
        *,
        keep_pictures: bool = False,  # noqa: ARG002  decoded images stay where they were decoded
    ) -> Generator[Detections | Failure, None, None]:
        """The result of each image, in order; errors of images in place of their results."""
        for source, record in self._dispatcher.results(images):
            yield _result_of(source, record)


@contextmanager
def ray_engine(
    model: "LoadedModel",
    options: RunOptions,
    *,
    address: str | None = None,
    actors: int | None = None,
    gpus_per_actor: float | None = None,
) -> Iterator[RayEngine]:
    """Actors that have loaded the model, until the end.

    Args:
        model: its files are sent to the nodes, which need not have them.
        options: of the actors.
        address: of a cluster; see `address_of`.
        actors: their number; by default one for each GPU, else one for each node.
        gpus_per_actor: may be a fraction; by default 1 where there are GPUs.

    Raises:
        MissingExtraError: ray is not installed.
        UsageError: there is no such cluster, or it is too small.
        CondetrError: the model cannot be loaded on a node.
    """
    content = read_model_files(model.checkpoint.provenance.path)
    block, pixels = block_of(model.preprocessing, options.prediction["batch"])
    most = max(2, _STORE // (pixels * _BYTES))
    store = sum(array.nbytes for array in content.values()) + most * pixels * _BYTES
    with cluster(address_of(address), store=store) as ray:
        workers = workers_for(
            nodes_of(ray), device=options.loading["device"], actors=actors, gpus_per_actor=gpus_per_actor
        )
        stored = [ray.put(content)]
        handles = _actors(ray, workers, options)
        device = _started(ray, handles, stored)
        ahead = max(workers.actors, min(most, 2 * workers.actors + workers.decoders))
        send = _sender(ray, handles, stored, model.preprocessing, options)
        yield RayEngine(Dispatcher(ray.exceptions, send, actors=workers.actors, block=block, ahead=ahead), device)


def block_of(preprocessing: Preprocessing, batch: int) -> tuple[int, int]:
    """Images that travel together, and their pixels at most.

    They fill whole batches, in the groups that a run without Ray has, as far as the pixels allow.
    """
    largest = _largest(preprocessing)
    images = _BLOCK if batch == 1 else window_of(batch)
    images = max(batch, min(images, max(1, _BLOCK_PIXELS // largest)))
    return images, images * largest


def _largest(preprocessing: Preprocessing) -> int:
    """About the most pixels of an image that is ready for the network."""
    if preprocessing.pad_size is not None and preprocessing.do_pad:
        return preprocessing.pad_size.height * preprocessing.pad_size.width
    if not preprocessing.do_resize:
        return _UNKNOWN
    sides = ((1000 * low, 1000 * high) for low, high in _ASPECTS)
    fitted = [preprocessing.fit(size) for pair in sides for size in (pair, pair[::-1])]
    return max(height * width for height, width in fitted)


def _actors(ray: Any, workers: Workers, options: RunOptions) -> list[Any]:
    actor = ray.remote(
        num_cpus=_ACTOR_CPUS,
        num_gpus=workers.gpus,
        max_restarts=-1,  # as often as its process dies
        max_task_retries=RETRIES,
        scheduling_strategy="SPREAD",
    )(DetectionActor)
    loading = {**options.loading, "device": workers.device}
    arguments = (condetr.__version__, workers.threads, loading, dict(options.prediction), options.tile)
    return [actor.remote(*arguments) for _ in range(workers.actors)]


def _started(ray: Any, handles: Sequence[Any], model: Sequence[Any]) -> str:
    """Wait until every actor has its model; returns the device of all."""
    starts = [handle.start.remote(model).future() for handle in handles]
    _, late = wait(starts, timeout=_PATIENCE)
    if late:
        _logger.warning("%d of %d actors have not started yet: is the cluster busy?", len(late), len(starts))
    devices = []
    for start in starts:
        try:
            device, warnings = start.result()
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise ModelError(f"an actor does not start: {first_line_of(error)}", hint=LOGS) from error
        devices.append(device)
        for warning in dict.fromkeys(warnings):
            _logger.warning("%s", warning)
    return ", ".join(dict.fromkeys(devices))


def _sender(
    ray: Any, handles: Sequence[Any], model: Sequence[Any], preprocessing: Preprocessing, options: RunOptions
) -> Send:
    """The function that gives a block to an actor, decoded by a stage of its own, which may run on other nodes."""
    decoding = ray.remote(num_cpus=_DECODING_CPUS, max_retries=RETRIES)(prepare)
    shared = ray.put(preprocessing)

    def send(actor: int, sources: Sequence[ImageSource]) -> "Future[Found]":
        block = [portable(source) for source in sources]
        if options.tile is not None:
            return handles[actor].detect_in_tiles.remote(model, block, options.most_pixels).future()
        return handles[actor].detect.remote(model, decoding.remote(block, shared, options.most_pixels)).future()

    return send


def _result_of(source: ImageSource, record: Record) -> Detections | Failure:
    if isinstance(record, CondetrError):
        return Failure(source.name, record)
    content = source.content
    return replace(Detections.from_dict(record), picture=None if isinstance(content, CondetrError) else content)
