"""Detections of a video with numbers that objects keep from frame to frame."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from condetr.core.errors import UsageError
from condetr.images.detections import Detections
from condetr.prediction.predictor import Failure
from condetr.video.tracking import Tracker


def followed(results: Iterable[Detections | Failure]) -> Iterator[Detections | Failure]:
    """The same in the same order, each object with the number of its track; every video begins anew.

    Raises:
        UsageError: a result is of an image that is alone.
        MissingExtraError: the extra ``track`` is not installed.
    """
    tracker, frame = Tracker(), -1
    for result in results:
        if isinstance(result, Failure):
            yield result
            continue
        if result.moment is None:
            reason = "is no frame of a video, so that there is nothing to follow"
            raise UsageError(reason, source=result.source, item="track")
        if result.moment.frame <= frame:
            tracker = Tracker()
        frame = result.moment.frame
        yield replace(result, tracks=tracker.follow(result.boxes, result.scores, result.moment.seconds))
