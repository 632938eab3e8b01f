"""Videos through the Predictor: frame by frame, in bounded memory, and followed."""

import pytest
import torch

from condetr.core.errors import MissingExtraError, UsageError, VideoError
from condetr.images.detection import Moment
from condetr.images.detections import Detections
from condetr.prediction.input.videos import is_video
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import frames_of, images_in
from condetr.prediction.track_ids import with_track_ids
from tests.tiny import LABELS, PREPROCESSING
from tests.videos import cut, make_noisy_video, make_video


def predictor(detector, **options):
    return Predictor(detector, PREPROCESSING, LABELS, **({"threshold": 0.3, "device": "cpu"} | options))


@pytest.mark.parametrize("batch", [1, 4])
def test_every_frame_is_predicted_in_order(detector, tmp_path, batch):
    path = make_video(tmp_path / "clip.mp4", 10)
    found = list(predictor(detector, batch=batch).stream(str(path)))
    assert [result.moment.frame for result in found] == list(range(10))
    assert [result.source for result in found] == [f"{path}#{number}" for number in range(10)]
    assert found[3].size == (48, 64)
    (frame,) = [source for source in images_in(path) if source.moment.frame == 3]
    (alone,) = predictor(detector).predict(frame.content)
    torch.testing.assert_close(alone.boxes, found[3].boxes, atol=1e-4, rtol=0)
    assert found[3].draw().size == (64, 48)


def test_results_are_filed_under_the_video(tmp_path):
    path = make_video(tmp_path / "clip.mp4", 3)
    assert [str(source.relative_path) for source in images_in([path])] == [f"clip/00000{n}.jpg" for n in range(3)]
    assert [str(source.relative_path) for source in frames_of(str(path), label="x")] == [
        f"x/00000{n}.jpg" for n in range(3)
    ]


def test_few_frames_are_in_memory_at_once(detector, tmp_path):
    decoded = 0

    def counted():
        nonlocal decoded
        for source in frames_of(str(make_video(tmp_path / "clip.mp4", 80))):
            decoded += 1
            yield source

    for shown, _ in enumerate(predictor(detector, batch=2).stream(counted())):
        assert decoded - shown <= 20


def test_failures_keep_the_position_of_their_image(detector, tmp_path):
    path = cut(make_noisy_video(tmp_path / "clip.mp4", 30, movflags="faststart"), 0.6)
    found = list(predictor(detector).stream(path, on_error="collect"))
    assert isinstance(found[-1], Failure)
    assert isinstance(found[-1].error, VideoError)
    assert found[-1].source == str(path)
    good = [item for item in found if isinstance(item, Detections)]
    assert len(good) > 5
    stream = predictor(detector).stream(path)
    assert next(stream).moment.frame == 0
    with pytest.raises(VideoError, match="frame"):
        list(stream)


def test_names_of_videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4", 1)
    (tmp_path / "7").touch()
    assert [is_video(item) for item in ("clip.mp4", "gone.mp4", "8", 8, "7", "a.jpg", True)] == [
        True, False, True, True, False, False, False,
    ]  # fmt: skip


def seen(frame, *boxes):
    return Detections(
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        scores=torch.full((len(boxes),), 0.9),
        labels=torch.zeros(len(boxes), dtype=torch.int64),
        names=("cat",) * len(boxes),
        size=(100, 100),
        source=f"clip.mp4#{frame}",
        moment=Moment(frame, frame / 10),
    )


def test_objects_are_tracked_and_every_video_has_its_own_tracks():
    pytest.importorskip("trackers")
    frames = [seen(frame, (10 + frame, 10, 50 + frame, 60)) for frame in range(5)]
    failure = Failure("clip.mp4", VideoError("is damaged"))
    found = list(with_track_ids([*frames[:3], failure, *frames[3:], *frames]))
    assert found[3] is failure
    tracks = [result.tracks for result in found if isinstance(result, Detections)]
    assert tracks[0] == (None,)
    assert tracks[2] == tracks[3] == tracks[4] != (None,)
    assert tracks[5] == (None,)


def test_single_images_are_not_tracked(detector):
    pytest.importorskip("trackers")
    with pytest.raises(UsageError, match="track: is not a frame of a video"):
        list(
            with_track_ids(
                [Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), (), (5, 5))]
            )
        )


def test_without_the_extra_the_video_is_an_error(detector, tmp_path, monkeypatch):
    path = make_video(tmp_path / "clip.mp4", 1)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError):
        list(predictor(detector).stream(path))
