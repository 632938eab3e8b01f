"""Track ids for the detections of a video."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from condetr.core.errors import UsageError
from condetr.images.detections import Detections
from condetr.prediction.predictor import Failure
from condetr.video.tracking import Tracker


def with_track_ids(results: Iterable[Detections | Failure]) -> Iterator[Detections | Failure]:
    """The same results in the same order, with the track id of each object; each video has its own tracks.

    Raises:
        UsageError: a result is not of a video frame.
        MissingExtraError: the extra ``track`` is not installed.
    """
    tracker, frame = Tracker(), -1
    for result in results:
        if isinstance(result, Failure):
            yield result
            continue
        if result.moment is None:
            reason = "is not a frame of a video, so it cannot be tracked"
            raise UsageError(reason, source=result.source, item="track")
        if result.moment.frame <= frame:
            tracker = Tracker()
        frame = result.moment.frame
        yield replace(result, tracks=tracker.update(result.boxes, result.scores, result.moment.seconds))
