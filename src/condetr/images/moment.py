"""When in a video a picture was."""

from typing import NamedTuple


class Moment(NamedTuple):
    """``frame`` counts from 0 in the order of display; ``seconds`` since the first frame."""

    frame: int
    seconds: float
