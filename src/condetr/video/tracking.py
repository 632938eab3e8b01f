"""Tracking objects from frame to frame: ByteTrack (Zhang et al. 2022), from the library ``trackers``."""

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from condetr.core.errors import MissingExtraError

_START_SCORE = 0.5  # a track starts at this score; lower ones can only continue a track
_LOST_BUFFER = 30  # thirtieths of a second that an object may be out of sight


class Tracker:
    """Assigns track ids to the objects of one video, from boxes and scores; classes are ignored."""

    def __init__(self) -> None:
        """Start a tracker.

        Raises:
            MissingExtraError: the extra ``track`` is not installed.
        """
        try:
            import supervision
            from trackers import ByteTrackTracker
        except ImportError:
            raise MissingExtraError("trackers", "track", "tracking objects through a video") from None
        self._supervision = supervision
        self._tracker: Any = ByteTrackTracker(
            track_activation_threshold=_START_SCORE,
            high_conf_det_threshold=_START_SCORE,
            lost_track_buffer=_LOST_BUFFER,
        )
        self._last = -1.0

    def update(
        self, boxes: Float[Tensor, "_detections 4"], scores: Float[Tensor, "_detections"], seconds: float
    ) -> tuple[int | None, ...]:
        """The track id of each detection of the next frame; None where it has none yet."""
        self._last = max(seconds, self._last + 1e-6)  # the library requires increasing times
        positions = np.arange(len(boxes))
        detections = self._supervision.Detections(
            xyxy=boxes.cpu().numpy(), confidence=scores.cpu().numpy(), data={"position": positions}
        )
        tracked = self._tracker.update(detections, timestamp=self._last)
        ids: list[int | None] = [None] * len(boxes)
        for position, track_id in zip(tracked.data.get("position", ()), tracked.tracker_id, strict=True):
            ids[int(position)] = int(track_id) if track_id >= 0 else None
        return tuple(ids)
