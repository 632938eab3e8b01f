"""One detected object, as values."""

from typing import NamedTuple


class Detection(NamedTuple):
    """Its box is (x1, y1, x2, y2) in pixels of the original, upright image."""

    box: tuple[float, float, float, float]
    score: float
    label: int
    name: str
