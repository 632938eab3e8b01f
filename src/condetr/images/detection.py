"""One detected object as plain values, and the time of a video frame."""

from typing import NamedTuple


class Detection(NamedTuple):
    """``box`` is (x1, y1, x2, y2) in pixels of the original, upright image."""

    box: tuple[float, float, float, float]
    score: float
    label: int
    name: str


class Moment(NamedTuple):
    """``frame`` counts from 0 in display order; ``seconds`` since the first frame."""

    frame: int
    seconds: float
