"""Small objects in large images: prediction on overlapping tiles and on the whole image.

Objects cut by the edge of a tile are dropped: one smaller than the overlap is whole in another tile, and a larger
one is detected in the whole image. Duplicates from different views (tiles or whole image) are suppressed.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Int64
from torch import Tensor

from condetr.core.boxes import iou
from condetr.core.errors import CondetrError, UsageError
from condetr.images.detections import Detections
from condetr.images.image_inputs import pil_of
from condetr.images.sizes import HeightWidth
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import ImageSource, images_in

Corner: TypeAlias = tuple[int, int]  # (y, x) of a tile's top left pixel
OVERLAP = 0.25  # minimum, of two neighboring tiles
SMALLEST = 32  # pixels per side
_MARGIN = 0.01  # of a tile: boxes that end this close to its edge are cut off
_SAME = 0.5  # IoU of two boxes of the same object


def checked_tile(tile: int | HeightWidth) -> HeightWidth:
    """(height, width) of a tile, in pixels.

    Raises:
        UsageError: it is too small.
    """
    height, width = (tile, tile) if isinstance(tile, int) else tile
    if min(height, width) < SMALLEST:
        raise UsageError(f"is {height}x{width}, expected at least {SMALLEST} pixels per side", item="tile")
    return height, width


def corners_of(size: HeightWidth, tile: HeightWidth) -> list[Corner]:
    """The corners of the fewest tiles that cover the image with enough overlap, evenly spaced; none if one suffices."""
    if size[0] <= tile[0] and size[1] <= tile[1]:
        return []
    return [(top, left) for top in _starts(size[0], tile[0]) for left in _starts(size[1], tile[1])]


def _starts(length: int, part: int) -> list[int]:
    if length <= part:
        return [0]
    steps = -(-(length - part) // max(1, round(part * (1 - OVERLAP))))
    return [round(step * (length - part) / steps) for step in range(steps + 1)]


@dataclass(frozen=True, slots=True)
class _Plan:
    """The views of one image: the whole, and tiles at these corners."""

    source: ImageSource
    size: HeightWidth
    corners: Sequence[Corner]


class TiledPredictor:
    """Runs a `Predictor` on images and their tiles; ``top_k`` applies to each view."""

    def __init__(self, predictor: Predictor, tile: int | HeightWidth) -> None:
        """Check the tile size.

        Args:
            predictor: for boxes or instances.
            tile: (height, width) in pixels of the image, or one number for both.

        Raises:
            UsageError: the tile is too small, or the task is panoptic.
        """
        self.tile = checked_tile(tile)
        if predictor.task == "panoptic":
            reason = "panoptic segments of tiles cannot be merged"
            raise UsageError(reason, item="tile", hint='use task="instance" for masks')
        self._predictor = predictor

    def predict(self, images: object, *, on_error: str = "raise") -> list[Detections | Failure]:
        return list(self.stream(images, on_error=on_error))

    def stream(self, images: object, *, on_error: str = "raise") -> Iterator[Detections | Failure]:
        """One result per image, in order; see `Predictor.stream`."""
        plans: deque[_Plan] = deque()
        views = self._predictor.stream(self._views(images_in(images), plans), on_error=on_error)
        with closing(views):
            for whole in views:
                plan = plans.popleft()
                results = [whole, *(next(views) for _ in plan.corners)]
                failed = next((result for result in results if isinstance(result, Failure)), None)
                if failed is not None:
                    yield Failure(plan.source.name, failed.error)
                    continue
                yield _merged(plan, [result for result in results if isinstance(result, Detections)])

    def _views(self, sources: Iterable[ImageSource], plans: deque[_Plan]) -> Iterator[ImageSource]:
        for source in sources:
            try:
                image = pil_of(source.image())
            except CondetrError:  # the predictor reports it
                plans.append(_Plan(source, (0, 0), ()))
                yield source
                continue
            with_image = self._predictor.with_image(source, image)
            plan = _Plan(with_image, (image.height, image.width), corners_of((image.height, image.width), self.tile))
            plans.append(plan)
            yield replace(source, content=image)
            for top, left in plan.corners:
                bottom, right = (
                    min(*ends) for ends in zip((top + self.tile[0], left + self.tile[1]), plan.size, strict=True)
                )
                yield replace(source, content=image.crop((left, top, right, bottom)))


def tiled(predictor: Predictor, tile: int | HeightWidth | None) -> Predictor | TiledPredictor:
    """The predictor, or a `TiledPredictor` if there is a tile size; raises as that does."""
    return predictor if tile is None else TiledPredictor(predictor, tile)


def _merged(plan: _Plan, views: Sequence[Detections]) -> Detections:
    content = plan.source.content
    whole, *parts = (replace(view, picture=None if isinstance(content, CondetrError) else content) for view in views)
    pairs = zip(parts, plan.corners, strict=True)
    every = [whole, *(_moved(_uncut(part, corner, plan.size), corner, plan.size) for part, corner in pairs)]
    together = replace(
        whole,
        boxes=torch.cat([view.boxes for view in every]),
        scores=torch.cat([view.scores for view in every]),
        labels=torch.cat([view.labels for view in every]),
        names=tuple(name for view in every for name in view.names),
        masks=None if whole.masks is None else torch.cat([view.masks for view in every if view.masks is not None]),
    )
    view_of = torch.cat([torch.full((len(view),), number) for number, view in enumerate(every)])
    return together.chosen(_without_duplicates(together, view_of))


def _uncut(part: Detections, corner: Corner, size: HeightWidth) -> Detections:
    """The detections that no edge of the tile inside the image cuts off."""
    (top, left), (height, width) = corner, part.size
    inner = (left > 0, top > 0, left + width < size[1], top + height < size[0])
    low = torch.tensor([width, height]) * _MARGIN
    high = torch.tensor([width, height]) - low
    reaches = torch.cat((part.boxes[:, :2] <= low, part.boxes[:, 2:] >= high), dim=1)
    cut = (reaches & torch.tensor(inner)).any(dim=1)
    return part.chosen((~cut).nonzero()[:, 0])


def _moved(part: Detections, corner: Corner, size: HeightWidth) -> Detections:
    """From pixels of the tile to pixels of the image."""
    (top, left), (height, width) = corner, part.size
    masks = None
    if part.masks is not None:
        masks = part.masks.new_zeros(len(part), *size)
        masks[:, top : top + height, left : left + width] = part.masks
    return replace(part, boxes=part.boxes + torch.tensor([left, top] * 2), masks=masks, size=size)


def _without_duplicates(found: Detections, view: Int64[Tensor, "detections"]) -> Int64[Tensor, "kept"]:
    """Positions of the detections to keep, best first: NMS per class, but between different views only."""
    keep: list[int] = []
    for i in found.scores.argsort(descending=True, stable=True).tolist():
        better = torch.tensor(keep, dtype=torch.int64)
        better = better[(view[better] != view[i]) & (found.labels[better] == found.labels[i])]
        if not (iou(found.boxes[i], found.boxes[better]) >= _SAME).any():
            keep.append(i)
    return torch.tensor(keep, dtype=torch.int64)
