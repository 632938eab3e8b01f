"""Detecting the objects of one image so that each detection can be explained."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from condetr.core.boxes import clipped
from condetr.core.errors import CondetrError, UsageError
from condetr.explain.capture import capture
from condetr.explain.evidence import Point
from condetr.explain.explained_image import ExplainedImage
from condetr.explain.grid_geometry import grid_geometry_of
from condetr.images.detections import Detections
from condetr.images.image_inputs import pil_of
from condetr.images.preprocessing import Preprocessing
from condetr.images.scoring import detections_of
from condetr.images.sizes import HeightWidth
from condetr.model.detector import ConditionalDetr
from condetr.model.transformer import grid_mask
from condetr.prediction.class_ids import class_ids
from condetr.prediction.options import PredictionOptions
from condetr.prediction.sources import ImageSource, images_in


@torch.inference_mode()
def explain_image(
    network: ConditionalDetr,
    preprocessing: Preprocessing,
    labels: Mapping[int, str],
    image: object,
    *,
    threshold: float | int = 0.5,
    top_k: int = 100,
    classes: Sequence[str | int] | None = None,
    pixel: tuple[float | int, float | int] | None = None,
) -> ExplainedImage:
    """Detect the objects of one image, as the Predictor does, and keep what their explanations need.

    Args:
        network: in evaluation mode.
        preprocessing: of the image.
        labels: name of every class id.
        image: anything that ``images_in`` takes.
        threshold: only detections above it are returned.
        top_k: the most detections.
        classes: names or ids of the classes to detect; by default all.
        pixel: (x, y) in the image whose encoder attention is shown; by default the middle of each detection's box.

    Raises:
        CondetrError: the image is unusable, or there are several; there are no detections; the pixel is outside the
            image; the model's output is not finite.
    """
    PredictionOptions(threshold=threshold, top_k=top_k)  # raises
    source = _only_one(image)
    wanted = None if classes is None else torch.tensor(class_ids(classes, labels))
    upright = source.image()
    batch = preprocessing.prepare([upright])
    size = batch.original_sizes[0]
    if pixel is not None:
        pixel = _inside(pixel, size, source.name)
    weight = next(network.parameters())
    pixels = batch.pixels.to(weight.device, weight.dtype)
    mask = None if batch.mask.all() else batch.mask.to(weight.device)
    decoder: list[Any] = list(network.body.decoder.layers)
    encoder: list[Any] = list(network.body.encoder.layers)
    with (
        capture(layer.cross_attention.attend for layer in decoder) as cross,
        capture(layer.self_attention.attend for layer in encoder) as cells,
    ):
        trace = network.trace(pixels, mask)
    layers = tuple(network.head(embeddings, trace.reference_logits) for embeddings in trace.embeddings)
    logits = layers[-1].logits
    chosen = logits if wanted is None else logits[..., wanted.to(logits.device)]
    (scored,) = detections_of(chosen, layers[-1].boxes, [size], threshold=threshold, top_k=top_k)
    found = scored.labels.cpu() if wanted is None else wanted[scored.labels.cpu()]
    if not len(found):
        raise _nothing_found(chosen, threshold, source.name)
    detections = Detections(
        boxes=clipped(scored.boxes, size).float().cpu(),
        scores=scored.scores.float().cpu(),
        labels=found,
        names=tuple(labels[label] for label in found.tolist()),
        size=size,
        source=source.name,
        picture=None if isinstance(source.content, CondetrError) else source.content,
    )
    real = grid_mask(pixels, mask, *trace.features[-1].shape[-2:])[0]
    grid = grid_geometry_of(real, network.body.backbone.stride, batch.resized_sizes[0], size)
    points = trace.reference_logits.sigmoid().float()
    return ExplainedImage(detections, pil_of(upright), scored, layers, points, tuple(cross), tuple(cells), grid, pixel)


def detection_number(detection: int | str) -> int | None:
    """The number of a detection, from a number, "best" or "all", which is None.

    Raises:
        UsageError: it is none of these.
    """
    if isinstance(detection, str) and detection.isdecimal():
        return int(detection)
    if isinstance(detection, int) and not isinstance(detection, bool) and detection >= 0:
        return detection
    if detection in ("best", "all"):
        return 0 if detection == "best" else None
    raise UsageError(f"is {detection!r}, expected a number from 0, best or all", item="detection")


def _inside(pixel: tuple[float | int, float | int], size: HeightWidth, source: str) -> Point:
    (x, y), (height, width) = pixel, size
    if not (0 <= x < width and 0 <= y < height):
        reason = f"is {x:g},{y:g}, outside the image, which is {width} wide and {height} high"
        raise UsageError(reason, source=source, item="pixel")
    return float(x), float(y)


def _only_one(image: object) -> ImageSource:
    sources = list(islice(images_in(image, pages=False), 2))
    if len(sources) != 1:
        raise UsageError("explains one image at a time", item="source", hint="give a single image")
    return sources[0]


def _nothing_found(logits: Tensor, threshold: float | int, source: str) -> UsageError:
    best = float(logits.float().max().sigmoid())
    reason = f"nothing scores above {threshold:g}, so there is nothing to explain; the best score is {best:.3f}"
    return UsageError(reason, source=source, hint="lower the threshold")
