"""What to label next: images whose detections are uncertain, and unlike those of the images picked before.

Both follow from detections alone, those that score above ``FLOOR``.

- The uncertainty of an image is the sum of ``4 s (1 - s)`` over its scores ``s``: a detection at 0.5 counts 1, one at 0
  or 1 nothing. As ``r`` in (0, 1], it is the share of the images that are not more uncertain.
- The content of an image is how much score it has in each class and size of box (up to 1/16, 1/8, 1/4 and more of the
  image's sides, geometric mean), and 1 for the image itself. Two images with contents ``p`` and ``q``, each divided by
  its sum, differ by their Hellinger distance ``d``, the root of ``1 - sum(sqrt(p q))``.
- The first image is the most uncertain one. Each further image has the largest ``r d``, where ``d`` is the distance
  from the nearest image that was picked, as in k-center greedy selection (Sener and Savarese, ICLR 2018).

Ties go to the larger ``r``, then to the earlier image, so that the same detections always give the same images.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from condetr.core.errors import UsageError
from condetr.images.detections import Detections

FLOOR = 0.1
_EDGES = (1 / 16, 1 / 8, 1 / 4)  # between the sizes of boxes, in shares of the image's sides


class Pick(NamedTuple):
    """An image to label.

    Attributes:
        source: its path.
        uncertainty: of its detections; 1 for each that scores 0.5.
        distance: from the nearest image picked before, in [0, 1]; 1 for the first.
    """

    source: str
    uncertainty: float
    distance: float


def pick(results: Iterable[Detections], count: int, *, class_ids: Iterable[int]) -> list[Pick]:
    """The images to label next, the most useful first.

    Args:
        results: detections that score above ``FLOOR``, with their sources.
        count: how many; fewer if there are not as many.
        class_ids: of the model.

    Raises:
        UsageError: ``count`` is not positive.
    """
    if count < 1:
        raise UsageError(f"is {count}, expected at least 1", item="count")
    position = {label: number for number, label in enumerate(class_ids)}
    sources, uncertainties, contents = [], [], []
    for result in results:
        scores = result.scores.double().cpu().numpy()
        sources.append(result.source or "")
        uncertainties.append(float((4 * scores * (1 - scores)).sum()))
        contents.append(_content_of(result, position))
    if not sources:
        return []
    chosen = _greedy(np.array(uncertainties), np.stack(contents), min(count, len(sources)))
    return [Pick(sources[number], uncertainties[number], distance) for number, distance in chosen]


def _content_of(result: Detections, position: dict[int, int]) -> Float[np.ndarray, "_cells"]:
    """The root of the share of each class and size, so that a dot product compares two images."""
    mass = np.zeros((len(position), len(_EDGES) + 1))
    height, width = result.size
    x1, y1, x2, y2 = result.boxes.double().cpu().numpy().T
    sizes = np.searchsorted(_EDGES, np.sqrt(np.maximum((x2 - x1) * (y2 - y1), 0) / (height * width)))
    rows = [position[label] for label in result.labels.tolist()]
    np.add.at(mass, (rows, sizes), result.scores.double().cpu().numpy())
    content = np.append(mass.ravel(), 1.0)
    return np.sqrt(content / content.sum()).astype(np.float32)


def _greedy(
    uncertainties: Float[np.ndarray, "_images"], contents: Float[np.ndarray, "_images _cells"], count: int
) -> list[tuple[int, float]]:
    ranks = np.searchsorted(np.sort(uncertainties), uncertainties, side="right") / len(uncertainties)
    nearest = np.ones(len(ranks))
    left = np.ones(len(ranks), dtype=bool)
    chosen: list[tuple[int, float]] = []
    for _ in range(count):
        value = np.where(left, ranks * nearest, -1.0)
        best = np.flatnonzero(value == value.max())
        number = int(best[ranks[best].argmax()])
        chosen.append((number, float(nearest[number])))
        left[number] = False
        similarity = np.minimum(contents @ contents[number], 1.0)
        nearest = np.minimum(nearest, np.sqrt(1.0 - similarity))
    return chosen
