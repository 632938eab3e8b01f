"""When in a video an image was."""

from typing import NamedTuple


class Moment(NamedTuple):
    """``frame`` counts from 0 in the order of display; ``seconds`` since the first frame."""

    frame: int
    seconds: float
