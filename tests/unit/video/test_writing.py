from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from condetr.core.errors import StorageError
from condetr.video import writing
from condetr.video.reading import Video
from condetr.video.writing import VideoWriter
from tests.videos import brightness, image

FAILURE = RuntimeError("stop")


def write(path, times, rate=Fraction(10), size=(48, 64)):
    with VideoWriter(path, rate) as writer:
        for number, seconds in enumerate(times):
            writer.add(Image.fromarray(image(number, size)), seconds)
    return list(Video(path))


@pytest.mark.parametrize("encoder", writing._ENCODERS)
@pytest.mark.parametrize("rate", [Fraction(10), Fraction(25), Fraction(30000, 1001)])
def test_a_written_video_is_read_back(tmp_path, monkeypatch, rate, encoder):
    monkeypatch.setattr(writing, "_ENCODERS", (encoder,))
    try:
        frames = write(tmp_path / "a.mp4", [float(number / rate) for number in range(9)], rate)
    except StorageError as error:
        pytest.skip(error.reason)
    assert Video(tmp_path / "a.mp4").rate == rate
    assert [frame.moment.seconds for frame in frames] == pytest.approx([float(number / rate) for number in range(9)])
    expected = [brightness(image(number)) for number in range(9)]
    np.testing.assert_allclose([brightness(frame.image) for frame in frames], expected, atol=5)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_frames_are_shown_at_their_times(tmp_path):
    frames = write(tmp_path / "a.mp4", [0.0, 0.1, 0.5, 0.5, 1.3])
    assert [frame.moment.seconds for frame in frames] == pytest.approx([0, 0.1, 0.5, 0.5, 1.3], abs=1e-4)


def test_odd_sides_get_one_more_row_or_column(tmp_path):
    frames = write(tmp_path / "a.mp4", [0.0, 0.1], size=(47, 65))
    assert frames[0].image.size == (66, 48)
    assert np.asarray(frames[0].image)[-1, -1, 0] < 60, "repeated, not white or black"


def test_an_image_of_another_size_is_fitted(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", None) as writer:
        writer.add(Image.new("RGB", (64, 48)), 0.0)
        writer.add(Image.new("RGB", (20, 90), (255, 255, 255)), 0.1)
    assert [frame.image.size for frame in Video(tmp_path / "a.mp4")] == [(64, 48)] * 2


def test_unfinished_files_are_removed(tmp_path):
    def write_and_fail():
        with VideoWriter(tmp_path / "a.mp4", None) as writer:
            writer.add(Image.new("RGB", (64, 48)), 0.0)
            raise FAILURE

    with pytest.raises(RuntimeError):
        write_and_fail()
    with VideoWriter(tmp_path / "b.mp4", None):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_closed_generator_leaves_a_complete_file(tmp_path):
    def written():
        with VideoWriter(tmp_path / "a.mp4", None) as writer:
            for number in range(100):
                writer.add(Image.fromarray(image(number)), number / 25)
                yield

    writing_it = written()
    for _ in range(3):
        next(writing_it)
    writing_it.close()
    assert len(list(Video(tmp_path / "a.mp4"))) == 3


def test_what_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"), VideoWriter(tmp_path / "file/a.mp4", None) as writer:
        writer.add(Image.new("RGB", (64, 48)), 0.0)
