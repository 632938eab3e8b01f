"""Where ``condetr predict`` runs the network: in its own process, or in the actors of a Ray cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from condetr.cli.settings.model_settings import tile_of
from condetr.cli.settings.predict_settings import PredictSettings
from condetr.cli.settings.shared import size_of_text

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel
    from condetr.images.detections import Detections
    from condetr.prediction.input.unfinished_images import UnfinishedImages
    from condetr.prediction.predictor import Failure


@runtime_checkable
class Stream(Protocol):
    def __call__(self, images: "UnfinishedImages", *, keep_pictures: bool) -> "Iterator[Detections | Failure]": ...


@dataclass(frozen=True, slots=True)
class Engine:
    """One result per image, in order, and the device that makes them."""

    stream: Stream
    device: str


def described_model(settings: PredictSettings) -> PredictSettings:
    """The settings to load the model with in this process; with Ray it only describes what the actors load."""
    if settings.engine == "local":
        return settings
    return replace(settings, device="cpu", precision="fp32", compile=False)


@contextmanager
def engine_of(settings: PredictSettings, model: "LoadedModel") -> Iterator[Engine]:
    """The engine of a run; actors end with it."""
    if settings.engine == "local":
        yield Engine(partial(model.stream, **options_of(settings)), str(model.device))
        return
    from condetr.images.decoding.pixel_limit import default_limit
    from condetr.ray.engine import RunOptions, ray_engine

    options = options_of(settings)
    tile = options.pop("tile")
    del options["on_error"]  # always collected
    loading = {name: getattr(settings, name) for name in ("device", "backend", "precision", "compile")}
    if settings.image_size is not None:
        loading["image_size"] = size_of_text(settings.image_size, "image_size")
    run = RunOptions(loading=loading, prediction=options, most_pixels=default_limit(), tile=tile)
    with ray_engine(
        model, run, address=settings.address, actors=settings.actors, gpus_per_actor=settings.gpus_per_actor
    ) as engine:
        yield Engine(engine.stream, engine.device)


def options_of(settings: PredictSettings) -> dict[str, Any]:
    return {
        "threshold": settings.threshold,
        "top_k": settings.top_k,
        "batch": settings.batch,
        "classes": settings.classes,
        "task": settings.task,
        "mask_threshold": settings.mask_threshold,
        "tile": tile_of(settings.tile),
        "decode_workers": settings.decode_workers,
        "on_error": "collect",
    }
