"""The frames of videos and cameras for ``condetr predict``: predicted, tracked, drawn and counted."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from condetr.core.errors import CondetrError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from PIL import Image

    from condetr.api.loaded_model import LoadedModel
    from condetr.images.detections import Detections
    from condetr.prediction.predictor import Failure
    from condetr.prediction.sources import ImageSource
    from condetr.video.reading import Video

_logger = logging.getLogger(__name__)


class Videos:
    """The videos and cameras of one run. One that cannot be opened has failed; the others continue."""

    def __init__(self, sources: Sequence[str]) -> None:
        """Look into all that are meant. Each is open only while its frames are read: a system has few open files.

        Raises:
            UsageError: there are images among them, or one that is not there.
            MissingExtraError: the extra ``video`` is not installed.
        """
        from condetr.prediction.image_files import has_video_name
        from condetr.prediction.input.videos import is_video
        from condetr.video.reading import Video

        videos: dict[bool, list[str]] = {True: [], False: []}
        for source in sources:
            videos[is_video(source)].append(source)
        if videos[True] and videos[False]:
            reason = f"is no video, but {videos[True][0]} is"
            raise UsageError(reason, source=videos[False][0], hint="predict on images and on videos in separate runs")
        self._cameras = {name: Video(int(name)) for name in dict.fromkeys(videos[True]) if not has_video_name(name)}
        self._promises = {name: None if name in self._cameras else _promised(name) for name in videos[True]}
        self.counts: dict[str, dict[str, int]] = {}
        self.not_painted = 0  # frames whose detections are not in the annotated video

    def __bool__(self) -> bool:
        return bool(self._promises)

    @property
    def names(self) -> list[str]:
        return list(self._promises)

    @property
    def promised(self) -> int | None:
        """The number of frames, where all videos state it."""
        promises = list(self._promises.values())
        return None if None in promises else sum(promise or 0 for promise in promises)

    def results(
        self, model: "LoadedModel", painted: Path | None, **options: Any
    ) -> "Iterator[tuple[ImageSource, Detections | Failure]]":
        """Each frame and what was found in it.

        Args:
            model: what finds.
            painted: folder of the results that gets an annotated MP4 of each video; none is made without one.
            options: for `Detector.stream`.
        """
        from condetr.prediction.predictor import Failure
        from condetr.prediction.result_names import OutputNames
        from condetr.prediction.results_folder import VIDEO
        from condetr.prediction.sources import ImageSource

        names = OutputNames()
        for source in self._promises:
            opened = self._cameras.get(source) or _opened(source)
            if isinstance(opened, CondetrError):
                yield ImageSource(source, PurePath(source), opened), Failure(source, opened)
                continue
            path = PurePath(opened.name.replace(" ", "-") if opened.is_camera else PurePath(source).name)
            label = names.name_for(ImageSource(source, path, ""))
            target = None if painted is None else painted / VIDEO / f"{label}.mp4"
            yield from self._results_of(opened, label, model, target, options)

    def _results_of(
        self, video: "Video", label: str, model: "LoadedModel", target: Path | None, options: dict[str, Any]
    ) -> "Iterator[tuple[ImageSource, Detections | Failure]]":
        from condetr.images.detections import Detections
        from condetr.prediction.sources import frames_of
        from condetr.video.writing import VideoWriter

        in_hand: deque[ImageSource] = deque()

        def frames() -> "Iterator[ImageSource]":
            for frame in frames_of(video, label=label):
                in_hand.append(frame)
                yield frame

        predicted = 0
        with ExitStack() as stack:
            writer = None if target is None else stack.enter_context(VideoWriter(target, video.rate))
            stack.callback(lambda: self._account(video, predicted))
            for result in model.stream(frames(), **options):
                if isinstance(result, Detections):
                    predicted += 1
                    if writer is not None and result.moment is not None:
                        writer.add(self._painted(result), result.moment.seconds)
                yield in_hand.popleft(), result

    def _painted(self, result: "Detections") -> "Image.Image":
        """The frame with its detections, or as it is where they cannot be drawn: that never ends a video."""
        from condetr.images.image_inputs import image_of, pil_of
        from condetr.prediction.results_writing import not_painted

        try:
            return result.draw()
        except Exception as error:  # whatever it is, the detections are right
            if result.picture is None:
                raise
            self.not_painted += 1
            _logger.warning("%s", not_painted(result, error).error)
            return pil_of(image_of(result.picture))

    def _account(self, video: "Video", predicted: int) -> None:
        video.close()
        self.counts[video.name] = {**video.counts, "predicted": predicted}


def _promised(source: str) -> int | None:
    """The number of frames that a video states; 0 where it cannot be opened, which is reported in its turn.

    Raises:
        UsageError: it is not there.
        MissingExtraError: the extra ``video`` is not installed.
    """
    opened = _opened(source)
    if isinstance(opened, MissingExtraError | UsageError):
        raise opened
    if isinstance(opened, CondetrError):
        return 0
    opened.close()
    return opened.promised


def _opened(source: str) -> "Video | CondetrError":
    from condetr.video.reading import Video

    try:
        return Video(source)
    except CondetrError as error:
        return error
