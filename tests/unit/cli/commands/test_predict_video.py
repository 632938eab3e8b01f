import json
import os
import resource
import sys

import pytest

from condetr.prediction import predictor
from condetr.video.reading import Video
from tests.videos import cut, make_noisy_video, make_video


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def lines_of(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def clip(tmp_path):
    return make_video(tmp_path / "clip.mp4", 6, rate=15)


def test_a_video_becomes_an_annotated_video_and_a_line_for_each_frame(condetr, model, clip, tmp_path):
    status, out, err = condetr("predict", clip, "--model", model, "--threshold", "0.3", "--output", "out")
    assert (status, out) == (0, "6 ok, 0 failed; results in out\n")
    assert f"condetr: {clip}: 6 read, 6 decoded, 0 failed, 6 predicted\n" in err
    assert files_in(tmp_path / "out") == ["predictions.jsonl", "run.json", "video/clip.mp4"]
    results = lines_of(tmp_path / "out/predictions.jsonl")
    assert [result["frame"] for result in results] == list(range(6))
    assert results[3]["seconds"] == pytest.approx(3 / 15)
    assert results[3]["source"] == f"{clip}#3"
    painted = Video(tmp_path / "out/video/clip.mp4")
    assert (painted.rate, painted.promised) == (15, 6)
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert run["videos"] == {str(clip): {"read": 6, "decoded": 6, "failed": 0, "predicted": 6}}


@pytest.fixture
def few_open_files():
    """No more than are open now, and a few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    fillers = [os.dup(0)]  # of the gaps below it
    while fillers[-1] < highest:
        fillers.append(os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 16, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for filler in fillers:
        os.close(filler)


@pytest.mark.slow
def test_more_videos_than_the_system_opens_files(condetr, model, clip, few_open_files, tmp_path):
    clips = [tmp_path / f"clip-{number}.mp4" for number in range(25)]
    for item in clips:
        item.write_bytes(clip.read_bytes())
    status, out, err = condetr("predict", *clips, "--model", model, "--output", "out", "--save", "json")
    assert (status, out) == (0, "150 ok, 0 failed; results in out\n"), err


def test_every_format(condetr, model, clip, tmp_path):
    formats = "video,images,json,jsonl,yolo,csv,coco"
    assert condetr("predict", clip, "--model", model, "--output", "out", "--save", formats)[0] == 0
    files = files_in(tmp_path / "out")
    assert {"images/clip/000005.jpg", "json/clip/000000.json", "labels/clip/000002.txt", "predictions.csv"} <= set(
        files
    )


def test_objects_keep_their_numbers(condetr, model, clip, tmp_path):
    pytest.importorskip("trackers")
    words = ("predict", clip, "--model", model, "--threshold", "0.3", "--track", "--output", "out")
    assert condetr(*words)[0] == 0
    results = lines_of(tmp_path / "out/predictions.jsonl")
    assert all(detection["track"] is None for detection in results[0]["detections"])
    assert any(detection["track"] is not None for detection in results[-1]["detections"])


def test_json(condetr_json, model, clip, tmp_path):
    status, answer, _ = condetr_json("predict", clip, "--model", model, "--threshold", "0.3")
    assert status == 0
    assert set(answer["results"][0]) == {"source", "size", "detections", "frame", "seconds"}
    assert answer["videos"] == {str(clip): {"read": 6, "decoded": 6, "failed": 0, "predicted": 6}}
    assert files_in(tmp_path) == ["clip.mp4"]


def test_several_videos_some_broken(condetr, model, clip, tmp_path):
    short = cut(make_noisy_video(tmp_path / "short.mp4", 30, movflags="faststart"), 0.6)
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "other").mkdir()
    same = make_video(tmp_path / "other/clip.mp4", 2)
    words = ("predict", clip, short, "text.mp4", same, "--model", model)
    status, _, err = condetr(*words, "--output", "out")
    assert status == 4
    assert "text.mp4: cannot be opened" in err
    assert "short.mp4: is cut off at frame " in err
    videos = [file for file in files_in(tmp_path / "out") if file.startswith("video/")]
    assert len(videos) == 3
    assert {"video/clip.mp4", "video/short.mp4"} < set(videos)
    run = json.loads((tmp_path / "out/run.json").read_text())
    counts = run["videos"][str(short)]
    assert counts["decoded"] == counts["predicted"]
    assert counts["decoded"] + counts["failed"] == 30
    assert {error["code"] for error in lines_of(tmp_path / "out/errors.jsonl")} == {"video"}
    assert condetr("predict", "text.mp4", "--model", model)[0] == 3


def test_overwriting_clears_what_an_earlier_run_made_of_videos(condetr, model, clip, tmp_path):
    assert condetr("predict", clip, "--model", model, "--output", "out")[0] == 0
    other = make_video(tmp_path / "other.mp4", 2)
    assert condetr("predict", other, "--model", model, "--output", "out", "--overwrite")[0] == 0
    assert files_in(tmp_path / "out") == ["predictions.jsonl", "run.json", "video/other.mp4"]


def test_an_interruption_leaves_a_whole_video(condetr, model, clip, tmp_path, monkeypatch):
    make_video(clip, 40)
    looked, look = 0, predictor.Predictor.predict_batch

    def interrupting(self, images):
        nonlocal looked
        looked += 1
        if looked == 5:
            __import__("os").kill(__import__("os").getpid(), 2)
        return look(self, images)

    monkeypatch.setattr(predictor.Predictor, "predict_batch", interrupting)
    status, out, _ = condetr("predict", clip, "--model", model, "--output", "out")
    assert status == 130
    assert "5 ok, 0 failed, interrupted" in out
    assert len(lines_of(tmp_path / "out/predictions.jsonl")) == 5
    assert len(list(Video(tmp_path / "out/video/clip.mp4"))) == 5
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert run["state"] == "interrupted"
    assert run["videos"][str(clip)]["predicted"] == 5


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (
            ["clip.mp4", "--resume", "--output", "x"],
            2,
            "resume: cannot resume inside a video (--overwrite starts again)",
        ),
        (["clip.mp4", "photos"], 2, "photos: is no video, but clip.mp4 is (predict on images and on videos in sep"),
        (["photos", "--track"], 2, "track: needs a video or a camera"),
        (["photos", "--save", "video"], 2, "save: video needs a video or a camera"),
        (["gone.mp4"], 2, "gone.mp4: cannot be read: No such file"),
        (["63"], 2, "camera 63: "),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(condetr, model, clip, photos, words, status, says):
    result, out, err = condetr("predict", *words, "--model", model)
    assert (result, out) == (status, "")
    assert says in err
    assert err.count("\n") == 1


def test_without_the_extra_the_pip_line_comes_first(condetr, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    status, _, err = condetr("predict", clip, "--model", "nowhere")
    assert status == 7
    assert 'needs PyAV (pip install "condetr[video]")' in err
