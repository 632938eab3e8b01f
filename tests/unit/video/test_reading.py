import errno
import os
import shutil
import sys
from fractions import Fraction

import numpy as np
import pytest

from condetr.core.errors import MissingExtraError, ModelError, StorageError, UsageError, VideoError
from condetr.video import opening
from condetr.video.reading import Video
from tests.videos import av, brightness, cut, image, make_noisy_video, make_sound, make_video


def frames_and_errors(path):
    video = Video(path)
    everything = list(video)
    frames = [item for item in everything if not isinstance(item, VideoError)]
    return video, frames, [str(item) for item in everything if isinstance(item, VideoError)]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mov", "mpeg4"), ("a.avi", "mpeg4"), ("a.mkv", "libx264")]
)
def test_every_frame_comes_in_order_with_its_time(tmp_path, name, codec):
    video, frames, errors = frames_and_errors(make_video(tmp_path / name, 12, codec=codec))
    assert errors == []
    assert [frame.moment.frame for frame in frames] == list(range(12))
    assert [frame.moment.seconds for frame in frames] == pytest.approx([number / 10 for number in range(12)])
    assert video.counts == {"read": 12, "decoded": 12, "failed": 0}
    assert video.rate == 10
    assert video.seconds == pytest.approx(1.2)
    # colors are rounded to the video range, then compressed
    expected = [brightness(image(number)) for number in range(12)]
    np.testing.assert_allclose([brightness(frame.image) for frame in frames], expected, atol=4)


def test_the_rate_is_that_of_the_file(tmp_path):
    assert Video(make_video(tmp_path / "a.mp4", rate=Fraction(30000, 1001))).rate == Fraction(30000, 1001)


def test_frames_of_a_variable_rate_keep_their_times(tmp_path):
    times = [0, 1, 2, 7, 8, 20]
    _, frames, errors = frames_and_errors(make_video(tmp_path / "a.mp4", 6, times=times))
    assert errors == []
    assert [frame.moment.seconds for frame in frames] == pytest.approx([time / 10 for time in times])


@pytest.mark.parametrize(
    ("rotation", "size", "corner"),
    [(0, (64, 48), (3, 3)), (90, (48, 64), (3, -4)), (180, (64, 48), (-4, -4)), (-90, (48, 64), (-4, 3))],
)
def test_videos_of_rotated_phones_are_turned_upright(tmp_path, rotation, size, corner):
    _, frames, _ = frames_and_errors(make_video(tmp_path / "a.mp4", 3, rotation=rotation))
    upright = frames[0].image
    assert upright.size == size
    x, y = corner
    levels = np.asarray(upright.convert("L"))
    assert levels[y, x] > 240
    assert (levels > 240).sum() < 0.2 * levels.size


def test_a_truncated_file_names_the_frame(tmp_path):
    path = cut(make_noisy_video(tmp_path / "a.mp4", 30, movflags="faststart"), 0.6)
    video, frames, errors = frames_and_errors(path)
    assert 5 < len(frames) < 28
    assert errors[-1].startswith(f"{path}: is cut off at frame ")
    assert errors[-1].endswith(" of 30 (copy or download it again)")
    assert video.promised == 30
    assert video.counts["decoded"] == len(frames)
    assert video.counts["decoded"] + video.counts["failed"] == 30, "every frame is accounted for"
    assert [frame.moment.frame for frame in frames] == list(range(len(frames)))


def test_a_truncated_file_with_only_a_duration_names_the_time(tmp_path):
    path = cut(make_noisy_video(tmp_path / "a.mkv", 30), 0.6)
    _, frames, errors = frames_and_errors(path)
    assert 5 < len(frames) < 28
    assert "is cut off at frame" in errors[-1]
    assert "of 3.00 seconds" in errors[-1]


def test_a_file_without_its_table_of_contents(tmp_path):
    with pytest.raises(VideoError, match=r"a\.mp4: .*cut off|damaged"):
        Video(cut(make_noisy_video(tmp_path / "a.mp4"), 0.6))


def test_damaged_frames_fail_and_the_others_do_not(tmp_path):
    path = make_noisy_video(tmp_path / "a.mp4", 30, movflags="faststart")
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    content[middle : middle + 600] = bytes(600)
    path.write_bytes(content)
    video, frames, errors = frames_and_errors(path)
    assert errors
    assert len(frames) > 10
    assert video.counts["read"] == 30
    assert video.counts["decoded"] == len(frames)
    assert video.counts["failed"] == len(errors)
    assert len(frames) + len(errors) == 30
    numbers = [frame.moment.frame for frame in frames]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 29, "later frames keep their numbers"
    assert [frame.moment.seconds for frame in frames] == pytest.approx([number / 10 for number in numbers])


def test_a_frame_that_cannot_be_decoded_is_identified_by_its_time(tmp_path):
    path = make_noisy_video(tmp_path / "a.mp4", 30)
    with av.open(str(path)) as container:
        packets = [(packet.pos, float(packet.pts * packet.time_base)) for packet in container.demux() if packet.size]
    content = bytearray(path.read_bytes())
    position, time = packets[10]
    content[position : position + 4] = b"\xff" * 4  # the length of what follows
    path.write_bytes(content)
    video, frames, errors = frames_and_errors(path)
    first = min(shown for _, shown in packets)
    assert errors[0].startswith(f"{path}: the frame at {time - first:.2f} s: cannot be decoded")
    assert video.counts["failed"] == len(errors)
    assert video.counts["decoded"] + video.counts["failed"] == 30
    assert frames[-1].moment == (29, pytest.approx(2.9)), "later frames keep their numbers"
    assert round(10 * (time - first)) not in [frame.moment.frame for frame in frames]


def test_the_extension_does_not_matter(tmp_path):
    shutil.copy(make_video(tmp_path / "a.mp4"), tmp_path / "b.avi")
    assert len(frames_and_errors(tmp_path / "b.avi")[1]) == 12


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello", b"\xff\xd8\xff\xe0" + bytes(500), b"\x89PNG\r\n\x1a\n" + bytes(500), b"GIF89a" + bytes(500),
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile 'good.mp4'\n", b"RIFF" + bytes(300), b"\x1aE\xdf\xa3" + bytes(300), bytes(9000),
    ],
)  # fmt: skip
def test_files_that_are_not_videos_are_refused(tmp_path, content):
    make_video(tmp_path / "good.mp4")
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(
        VideoError, match=r"a\.mp4: (cannot be opened: .* \(it is not a video, or damaged|has no|contains no)"
    ):
        Video(tmp_path / "a.mp4")


def test_out_of_memory_for_a_video_is_not_damage(tmp_path, monkeypatch):
    make_video(tmp_path / "a.mp4")

    def fail(*_, **__):
        raise av.error.MemoryError(12, "Cannot allocate memory")

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(ModelError, match=r"a\.mp4: out of memory opening it"):
        Video(tmp_path / "a.mp4")


def test_too_many_open_files_are_not_an_error_of_the_video(tmp_path, monkeypatch):
    file = make_video(tmp_path / "a.mp4", 2)

    def refuse(*_, **__):
        raise av.error.OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(StorageError, match=r"a.mp4: cannot be opened: Too many open files \(.*ulimit -n\)"):
        Video(file)


def test_audio_alone_is_not_a_video(tmp_path):
    with pytest.raises(VideoError, match=r"a\.mp4: contains no video \(audio\)"):
        Video(make_sound(tmp_path / "a.mp4"))


def test_a_video_without_frames_is_an_error(tmp_path):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    video, frames, errors = frames_and_errors(tmp_path / "a.avi")
    assert (frames, errors) == ([], [f"{tmp_path}/a.avi: has no frames"])
    assert video.counts == {"read": 0, "decoded": 0, "failed": 0}


def test_special_files_are_refused_without_blocking(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, says in (
        ("gone.mp4", "cannot be read: No such file"),
        (".", "is not a file"),
        ("pipe.mp4", "is not a file"),
    ):
        with pytest.raises(UsageError, match=says):
            Video(tmp_path / name)


def test_frames_are_decoded_on_demand(tmp_path):
    video = Video(make_video(tmp_path / "a.mp4", 100))
    frames = iter(video)
    for _ in range(3):
        next(frames)
    assert video.counts["decoded"] == 3
    assert video.counts["read"] < 60  # the decoder holds some back to bring them into order
    frames.close()
    video.close()


def test_a_camera_is_a_video_without_an_end(monkeypatch):
    monkeypatch.setitem(opening._CAMERAS, sys.platform, ("lavfi", "testsrc=size=64x48:rate=10:n={}"))
    with Video(0) as video:
        frames = iter(video)
        first = [next(frames) for _ in range(5)]
        assert video.name == "camera 0"
        assert (video.promised, video.seconds) == (None, None)
        assert [frame.moment.frame for frame in first] == [0, 1, 2, 3, 4]
        assert first[0].image.size == (64, 48)
        frames.close()


def test_a_missing_camera(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(UsageError, match="camera 63: cannot be opened: No such file"):
        Video(63)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UsageError, match="camera 0: cameras are supported on Linux and macOS only"):
        Video(0)


def test_without_the_extra_the_error_has_the_pip_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r'needs PyAV \(pip install "condetr\[video\]"\)'):
        Video(tmp_path / "a.mp4")
