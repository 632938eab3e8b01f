"""Small objects in large images: prediction on overlapping tiles and on the whole image.

Objects cut by the edge of a tile are dropped: one smaller than the overlap is whole in another tile, and a larger
one is detected in the whole image. Duplicates from different views (tiles or whole image) are suppressed.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from condetr.core.errors import CondetrError, UsageError
from condetr.images.detections import Detections
from condetr.images.image_inputs import pil_of
from condetr.images.masks.box import box_of_mask
from condetr.images.sizes import HeightWidth
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import ImageSource, images_in
from condetr.prediction.suppression import without_duplicates

Corner: TypeAlias = tuple[int, int]  # (y, x) of a tile's top left pixel
OVERLAP = 0.25  # minimum, of two neighboring tiles
SMALLEST = 32  # pixels per side
_MARGIN = 0.01  # of a tile: boxes that end this close to its edge are cut off


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
                yield _merged(plans.popleft(), whole, views)

    def _views(self, sources: Iterable[ImageSource], plans: deque[_Plan]) -> Iterator[ImageSource]:
        with closing(_decoded_ahead(sources)) as decoded:
            for source, image in decoded:
                if image is None:  # the predictor reports why
                    plans.append(_Plan(source, (0, 0), ()))
                    yield source
                    continue
                size = (image.height, image.width)
                plan = _Plan(self._predictor.with_image(source, image), size, corners_of(size, self.tile))
                plans.append(plan)
                yield replace(source, content=image)
                for top, left in plan.corners:
                    bottom, right = min(top + self.tile[0], size[0]), min(left + self.tile[1], size[1])
                    yield replace(source, content=image.crop((left, top, right, bottom)))


def _decoded_ahead(
    sources: Iterable[ImageSource],
) -> Generator[tuple[ImageSource, Image.Image | None], None, None]:
    """Each image, decoded while the tiles of the one before are predicted; None where it cannot be."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="condetr-large") as pool:
        pending: deque[tuple[ImageSource, Future[Image.Image | None]]] = deque()
        for source in sources:
            pending.append((source, pool.submit(_decoded, source)))
            if len(pending) > 1:
                first, future = pending.popleft()
                yield first, future.result()
        for first, future in pending:
            yield first, future.result()


def _decoded(source: ImageSource) -> Image.Image | None:
    try:
        return pil_of(source.image(may_be_mapped=True))
    except CondetrError:
        return None


def tiled(predictor: Predictor, tile: int | HeightWidth | None) -> Predictor | TiledPredictor:
    """The predictor, or a `TiledPredictor` if there is a tile size; raises as that does."""
    return predictor if tile is None else TiledPredictor(predictor, tile)


def _merged(plan: _Plan, whole: Detections | Failure, tiles: Iterator[Detections | Failure]) -> Detections | Failure:
    """The result of an image from those of its views, which are taken from ``tiles``."""
    failed = whole if isinstance(whole, Failure) else None
    parts = [] if isinstance(whole, Failure) else [_Part(whole, (0, 0))]
    for corner in plan.corners:
        result = next(tiles)
        if isinstance(result, Failure):
            failed = failed or result
        elif failed is None:
            parts.append(_Part(_uncut(result, corner, plan.size), corner))
    if failed is not None or isinstance(whole, Failure):
        return Failure(plan.source.name, failed.error) if failed is not None else whole
    boxes = torch.cat([part.boxes for part in parts])
    scores = torch.cat([part.scores for part in parts])
    labels = torch.cat([part.labels for part in parts])
    view_of = torch.cat([torch.full((len(part.names),), number) for number, part in enumerate(parts)])
    kept = without_duplicates(boxes, scores, labels, view_of)
    names, content = [name for part in parts for name in part.names], plan.source.content
    masks = None
    if whole.masks is not None:
        patches = [patch for part in parts for patch in part.patches]
        masks = torch.zeros((len(kept), *plan.size), dtype=torch.bool)
        for plane, position in zip(masks, kept.tolist(), strict=True):
            patches[position].write(plane)
    return replace(
        whole,
        boxes=boxes[kept],
        scores=scores[kept],
        labels=labels[kept],
        names=tuple(names[position] for position in kept.tolist()),
        masks=masks,
        picture=None if isinstance(content, CondetrError) else content,
    )


class _Part:
    """What one view found, in pixels of the image; of masks only the pixels around them."""

    def __init__(self, found: Detections, corner: Corner) -> None:
        top, left = corner
        self.boxes = found.boxes + torch.tensor([left, top] * 2)
        self.scores, self.labels, self.names = found.scores, found.labels, found.names
        self.patches = [] if found.masks is None else [_Patch.of(mask, corner) for mask in found.masks]


class _Patch(NamedTuple):
    """The rectangle of a mask that has its pixels, and where in the image it begins."""

    top: int
    left: int
    pixels: Bool[Tensor, "_rows _columns"]

    @classmethod
    def of(cls, mask: Bool[Tensor, "_height _width"], corner: Corner) -> "_Patch":
        x1, y1, x2, y2 = box_of_mask(mask) if mask.any() else (0, 0, 0, 0)
        return cls(corner[0] + y1, corner[1] + x1, mask[y1:y2, x1:x2].clone())

    def write(self, plane: Bool[Tensor, "_height _width"]) -> None:
        rows, columns = self.pixels.shape
        plane[self.top : self.top + rows, self.left : self.left + columns] = self.pixels


def _uncut(part: Detections, corner: Corner, size: HeightWidth) -> Detections:
    """The detections that no edge of the tile inside the image cuts off."""
    (top, left), (height, width) = corner, part.size
    inner = (left > 0, top > 0, left + width < size[1], top + height < size[0])
    low = torch.tensor([width, height]) * _MARGIN
    high = torch.tensor([width, height]) - low
    reaches = torch.cat((part.boxes[:, :2] <= low, part.boxes[:, 2:] >= high), dim=1)
    cut = (reaches & torch.tensor(inner)).any(dim=1)
    return part.chosen((~cut).nonzero()[:, 0])
