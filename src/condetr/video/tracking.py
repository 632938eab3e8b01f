"""The same object from frame to frame: ByteTrack (Zhang et al. 2022), as the library ``trackers`` has it."""

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from condetr.core.errors import MissingExtraError

_BEGINS = 0.5  # score from which a track may begin; what scores lower can only continue one
_WAITS = 30  # thirtieths of a second that an object may be out of sight


class Tracker:
    """Gives the objects of one video numbers that they keep. Classes are not looked at, only boxes and scores."""

    def __init__(self) -> None:
        """Begin with the first frame.

        Raises:
            MissingExtraError: the extra ``track`` is not installed.
        """
        try:
            import supervision
            from trackers import ByteTrackTracker
        except ImportError:
            raise MissingExtraError("trackers", "track", "following objects through a video") from None
        self._supervision = supervision
        self._tracker: Any = ByteTrackTracker(
            track_activation_threshold=_BEGINS, high_conf_det_threshold=_BEGINS, lost_track_buffer=_WAITS
        )
        self._last = -1.0

    def follow(
        self, boxes: Float[Tensor, "_detections 4"], scores: Float[Tensor, "_detections"], seconds: float
    ) -> tuple[int | None, ...]:
        """The number of each detection of the next frame; None for one that was not seen often enough yet."""
        self._last = max(seconds, self._last + 1e-6)  # the library wants time to pass
        places = np.arange(len(boxes))
        given = self._supervision.Detections(
            xyxy=boxes.cpu().numpy(), confidence=scores.cpu().numpy(), data={"place": places}
        )
        followed = self._tracker.update(given, timestamp=self._last)
        numbers: list[int | None] = [None] * len(boxes)
        for place, number in zip(followed.data.get("place", ()), followed.tracker_id, strict=True):
            numbers[int(place)] = int(number) if number >= 0 else None
        return tuple(numbers)
