"""Small objects in large images: tiles are looked at as images of their own, and so is the whole image.

What a tile cuts off is left out: where it is smaller than the overlap of two tiles, another one has all of it, and
where it is larger, it is seen in the whole image. Objects that were seen in several looks are kept once.
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
OVERLAP = 0.25  # of two neighbors, at least
SMALLEST = 32  # pixels a side
_MARGIN = 0.01  # of a tile: boxes that end so near to its edge are cut off
_SAME = 0.5  # IoU of two boxes of one object


def checked_tile(tile: int | HeightWidth) -> HeightWidth:
    """(height, width) of a tile, in pixels.

    Raises:
        UsageError: it is too small.
    """
    height, width = (tile, tile) if isinstance(tile, int) else tile
    if min(height, width) < SMALLEST:
        raise UsageError(f"is {height}x{width}, expected at least {SMALLEST} pixels a side", item="tile")
    return height, width


def corners_of(size: HeightWidth, tile: HeightWidth) -> list[Corner]:
    """Where tiles begin: as few as cover the image and overlap enough, evenly spread; none if it fits into one."""
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
    """The looks at one image: the whole, and tiles at these corners."""

    source: ImageSource
    size: HeightWidth
    corners: Sequence[Corner]


class TiledPredictor:
    """Predicts as its `Predictor` does, of an image and of its tiles; ``top_k`` is of every look."""

    def __init__(self, predictor: Predictor, tile: int | HeightWidth) -> None:
        """Get ready.

        Args:
            predictor: that finds boxes, or instances.
            tile: (height, width) in pixels of the image, or one number for both.

        Raises:
            UsageError: it is too small, or every pixel's segment is asked for.
        """
        self.tile = checked_tile(tile)
        if predictor.task == "panoptic":
            reason = "segments of tiles do not make segments of an image"
            raise UsageError(reason, item="tile", hint='task="instance" gives masks')
        self._predictor = predictor

    def predict(self, given: object, *, on_error: str = "raise") -> list[Detections | Failure]:
        return list(self.stream(given, on_error=on_error))

    def stream(self, given: object, *, on_error: str = "raise") -> Iterator[Detections | Failure]:
        """One result an image, in order; see `Predictor.stream`."""
        plans: deque[_Plan] = deque()
        looks = self._predictor.stream(self._looks(images_in(given), plans), on_error=on_error)
        with closing(looks):
            for whole in looks:
                plan = plans.popleft()
                results = [whole, *(next(looks) for _ in plan.corners)]
                failed = next((one for one in results if isinstance(one, Failure)), None)
                if failed is not None:
                    yield Failure(plan.source.name, failed.error)
                    continue
                yield _joined(plan, [one for one in results if isinstance(one, Detections)])

    def _looks(self, sources: Iterable[ImageSource], plans: deque[_Plan]) -> Iterator[ImageSource]:
        for source in sources:
            try:
                image = pil_of(source.image())
            except CondetrError:  # the predictor tells of it
                plans.append(_Plan(source, (0, 0), ()))
                yield source
                continue
            kept = self._predictor.kept(source, image)
            plan = _Plan(kept, (image.height, image.width), corners_of((image.height, image.width), self.tile))
            plans.append(plan)
            yield replace(source, content=image)
            for top, left in plan.corners:
                bottom, right = (
                    min(*ends) for ends in zip((top + self.tile[0], left + self.tile[1]), plan.size, strict=True)
                )
                yield replace(source, content=image.crop((left, top, right, bottom)))


def tiled(predictor: Predictor, tile: int | HeightWidth | None) -> Predictor | TiledPredictor:
    """What looks at tiles, too, where that is asked for; it raises what `TiledPredictor` does."""
    return predictor if tile is None else TiledPredictor(predictor, tile)


def _joined(plan: _Plan, looks: Sequence[Detections]) -> Detections:
    content = plan.source.content
    whole, *parts = (replace(one, picture=None if isinstance(content, CondetrError) else content) for one in looks)
    pairs = zip(parts, plan.corners, strict=True)
    every = [whole, *(_moved(_uncut(part, corner, plan.size), corner, plan.size) for part, corner in pairs)]
    found = replace(
        whole,
        boxes=torch.cat([one.boxes for one in every]),
        scores=torch.cat([one.scores for one in every]),
        labels=torch.cat([one.labels for one in every]),
        names=tuple(name for one in every for name in one.names),
        masks=None if whole.masks is None else torch.cat([one.masks for one in every if one.masks is not None]),
    )
    look = torch.cat([torch.full((len(one),), number) for number, one in enumerate(every)])
    return found.chosen(_first_of_each(found, look))


def _uncut(found: Detections, corner: Corner, size: HeightWidth) -> Detections:
    """Without those that an edge of the tile inside the image may have cut off."""
    (top, left), (height, width) = corner, found.size
    inner = (left > 0, top > 0, left + width < size[1], top + height < size[0])
    low = torch.tensor([width, height]) * _MARGIN
    high = torch.tensor([width, height]) - low
    reaches = torch.cat((found.boxes[:, :2] <= low, found.boxes[:, 2:] >= high), dim=1)
    cut = (reaches & torch.tensor(inner)).any(dim=1)
    return found.chosen((~cut).nonzero()[:, 0])


def _moved(found: Detections, corner: Corner, size: HeightWidth) -> Detections:
    """From a tile's pixels to the image's."""
    (top, left), (height, width) = corner, found.size
    masks = None
    if found.masks is not None:
        masks = found.masks.new_zeros(len(found), *size)
        masks[:, top : top + height, left : left + width] = found.masks
    return replace(found, boxes=found.boxes + torch.tensor([left, top] * 2), masks=masks, size=size)


def _first_of_each(found: Detections, look: Int64[Tensor, "detections"]) -> Int64[Tensor, "kept"]:
    """Best first; of two of one class and place, from different looks, only the better one."""
    kept: list[int] = []
    for one in found.scores.argsort(descending=True, stable=True).tolist():
        rivals = torch.tensor(kept, dtype=torch.int64)
        rivals = rivals[(look[rivals] != look[one]) & (found.labels[rivals] == found.labels[one])]
        if not (iou(found.boxes[one], found.boxes[rivals]) >= _SAME).any():
            kept.append(one)
    return torch.tensor(kept, dtype=torch.int64)
