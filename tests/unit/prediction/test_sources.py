import io
import os
from pathlib import Path, PurePath

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import CondetrError, DataError, ImageError, UsageError, VideoError
from condetr.prediction.sources import images_in, is_one


def image(path: Path | str, color="red") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), color).save(path, "PNG")
    return os.fspath(path)


def names(value, **options):
    return [source.name for source in images_in(value, **options)]


def places(value):
    return [str(source.relative_path) for source in images_in(value)]


def error_of(value) -> CondetrError:
    (source,) = images_in(value)
    with pytest.raises(CondetrError) as caught:
        source.image()
    return caught.value


@pytest.fixture
def folder(tmp_path):
    for name in ("b.JPG", "a.png", "sub/c.webp", "sub/deep/a.png", ".hidden.png", ".git/d.png"):
        image(tmp_path / name)
    (tmp_path / "labels.txt").write_text("a.png\n")
    (tmp_path / "notes.json").write_text("{}")
    return tmp_path


def test_a_file_is_one_source(folder):
    (source,) = images_in(folder / "a.png")
    assert (source.name, source.relative_path) == (str(folder / "a.png"), PurePath("a.png"))
    assert source.image().size == (8, 6)


def test_a_folder_is_searched_in_order_and_ignored_files_are_logged(folder, caplog):
    caplog.set_level("INFO", "condetr")
    assert places(folder) == ["a.png", "b.JPG", "sub/c.webp", "sub/deep/a.png"]
    assert "ignored 2 files without the extension of an image (1 .txt, 1 .json)" in caplog.text


def test_links_to_folders_are_followed_but_never_in_circles(tmp_path):
    image(tmp_path / "in/a.png")
    image(tmp_path / "elsewhere/b.png")
    image(tmp_path / "above.png")
    for name, target in [("again", "."), ("up", ".."), ("other", "../elsewhere"), ("twice", "../elsewhere")]:
        (tmp_path / "in" / name).symlink_to(target)
    assert places(tmp_path / "in") == ["a.png", "other/b.png"]


def test_the_output_folder_is_not_searched(folder):
    assert names(folder, apart_from=folder / "sub") == [str(folder / "a.png"), str(folder / "b.JPG")]


def test_results_of_an_earlier_run_are_not_predicted(folder, caplog):
    caplog.set_level("INFO", "condetr")
    image(folder / "runs/predict/images/a.png")
    for name in ("run.json", "predictions.jsonl"):
        assert "runs/predict/images/a.png" in places(folder), "a single file of these names says nothing"
        (folder / "runs/predict" / name).touch()
    assert places(folder) == ["a.png", "b.JPG", "sub/c.webp", "sub/deep/a.png"]
    assert "predict: skipped: contains results of an earlier run" in caplog.text
    assert places(folder / "runs/predict") == ["images/a.png"], "unless that is what was asked for"


def test_archives_and_videos_in_a_folder_are_logged(folder, caplog):
    (folder / "more.tar.gz").write_bytes(b"")
    (folder / "clip.MP4").write_bytes(b"")
    assert len(names(folder)) == 4
    assert "more.tar.gz: skipped: archives, Parquet files and videos in a folder are not read" in caplog.text
    assert "clip.MP4: skipped: archives" in caplog.text


def test_patterns(folder):
    assert names(f"{folder}/*.*[gG]") == [str(folder / "a.png"), str(folder / "b.JPG")]
    assert places(f"{folder}/**/a.png") == ["a.png", "a.png"]
    assert "matches no images" in str(error_of(f"{folder}/*.bmp"))
    image(folder / "[1].png")
    assert places(folder / "[1].png") == ["[1].png"], "a file is a file, whatever its name"


@pytest.mark.parametrize(("name", "text"), [("list.txt", "{}\n\n {} \r\n"), ("list.csv", '"{}",7\n{},8\n')])
def test_lists_are_relative_to_themselves(folder, name, text):
    (folder / "sub" / name).write_text("\ufeff" + text.format("c.webp", "../a.png"), encoding="utf-8")
    assert names(folder / "sub" / name) == [str(folder / "sub/c.webp"), str(folder / "sub/../a.png")]
    assert places(folder / "sub" / name) == ["c.webp", "a.png"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lists_in_any_encoding(folder, encoding, end):
    image(folder / "Grüße 雪.png")
    text = end.join(["a.png", "", "Grüße 雪.png", *["sub/c.webp"] * 9, ""])
    (folder / "list.txt").write_bytes(text.encode(encoding))
    assert places(folder / "list.txt") == ["a.png", "Grüße 雪.png", *["sub/c.webp"] * 9]


@pytest.mark.parametrize(
    "line",
    [
        "sub\\c.webp", ".\\sub\\c.webp", "  sub/c.webp\t", '"sub/c.webp"', "'sub\\c.webp'", "sub/c%2Ewebp",
        "sub%5Cc.webp", "file:sub/c.webp", "file://{}/sub/c.webp", "FILE://localhost{}/sub/c%2ewebp", "{}/sub/c.webp",
    ],
)  # fmt: skip
def test_lists_of_other_programs(folder, line, monkeypatch):
    (folder / "list.txt").write_text(line.format(folder))
    (source,) = images_in(folder / "list.txt")
    assert source.image()
    assert os.path.abspath(source.name) == str(folder / "sub/c.webp")  # noqa: PTH100


def test_a_literal_file_name_has_precedence(folder):
    for name in ("#1.png", "100%25.png", "'q'.png", "b\\c.png", " s.png", "x,y.png", "path", "e\u0301.png"):
        image(folder / name)
    lines = [
        "#1.png",
        "100%25.png",
        "'q'.png",
        "b\\c.png",
        " s.png",
        "x,y.png",
        "path",
        "é.png",
        "# a comment",
        "#gone.png",
    ]
    (folder / "list.txt").write_text("\n".join(lines))
    assert places(folder / "list.txt") == [*lines[:7], "e\u0301.png"]
    (folder / "old.txt").write_bytes("Größe.png\n".encode("cp1252"))
    image(folder / "Größe.png")
    assert places(folder / "old.txt") == ["Größe.png"]


def test_a_list_may_be_relative_to_the_working_folder(folder, monkeypatch):
    (folder / "lists").mkdir()
    (folder / "lists/list.txt").write_text("sub/c.webp\ngone.png\n")
    monkeypatch.chdir(folder)
    assert names("lists/list.txt") == ["sub/c.webp", "lists/gone.png"]
    image("lists/sub/c.webp")
    assert names("lists/list.txt") == ["lists/sub/c.webp", "lists/gone.png"], "its own folder goes first"


@pytest.mark.parametrize(
    "text",
    [
        "image_path,label\nsub/c.webp,7\na.png,8\n",
        "id;File Name;width\n1;sub/c.webp;8\n2;a.png;8\n",
        "label\tfilename\n7\tsub\\c.webp\n8\ta.png\n",
        "label,picture\n7,sub/c.webp\n8,a.png\n",
        '# made by us\n\n"sub/c.webp",7\na.png\n',
        "foto,art\nsub/c.webp,7\na.png,8\n",
        "sub/c.webp;7\na.png;8\n",
    ],
)
def test_tables_with_headers(folder, text, caplog):
    caplog.set_level("INFO", "condetr")
    (folder / "list.csv").write_text(text)
    assert places(folder / "list.csv") == ["sub/c.webp", "a.png"]
    is_header = text[0].isalpha() and not text.startswith("sub")
    assert ("is read as a header" in caplog.text) == is_header
    assert ("1 lines are comments" in caplog.text) == text.startswith("#")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfea\x00\x00\xd8b\x00", "is not text in utf-16"),
        (b"\xff\xfea", "is not text in utf-16"),
        (b"a" * 200_000 + b",b\n", "is not a valid CSV table: field larger than"),
        (b"\n \n", "lists no images"),
        (b"# nothing\n", "lists no images"),
    ],
)
def test_invalid_lists(tmp_path, content, says):
    (tmp_path / "list.csv").write_bytes(content)
    (source,) = images_in(tmp_path / "list.csv")
    with pytest.raises(CondetrError, match=says):
        source.image()


@pytest.mark.parametrize(
    "name", ["n" * 300, "n" * 5000 + ".png", "1" * 5000, "n" * 300 + "*.png", "a\0*", "٣" * 9, "\udcff"]
)
def test_impossible_file_names(name):
    assert "cannot be read" in str(error_of(name)) or "matches no images" in str(error_of(name))
    assert is_one(name) == ("*" not in name)


@pytest.mark.parametrize("name", ["pipe.txt", "pipe.csv", "pipe.png"])
def test_a_pipe_never_blocks(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert "is a pipe, socket or device" in str(error_of(tmp_path / name))


def test_a_line_that_is_not_an_image_fails_alone(folder):
    (folder / "list.txt").write_bytes(b"a.png\ngone.png\nsub\nnul\0.png\nlabels.txt\n")
    good, *bad = images_in(folder / "list.txt")
    assert good.image()
    assert len(bad) == 4
    for source in bad:
        with pytest.raises(ImageError) as caught:
            source.image()
        assert caught.value.source == source.name


def test_images_in_memory():
    array = np.zeros((5, 7, 3), np.uint8)
    opened = Image.new("L", (3, 2))
    sources = list(images_in([array, [torch.zeros(3, 5, 7, dtype=torch.uint8), opened]]))
    assert [source.name for source in sources] == ["image 0", "image 0", "image 1"]
    assert all(source.image() is not None for source in sources)
    assert "image 0" in str(error_of(np.zeros((5, 7, 9), np.uint8)))


def test_a_list_mixes_everything(folder):
    mixed = [folder / "sub", np.zeros((5, 7, 3), np.uint8), str(folder / "a.png"), f"{folder}/*.JPG"]
    assert [PurePath(name).name for name in names(mixed)] == ["c.webp", "a.png", "image 1", "a.png", "b.JPG"]
    assert names(images_in(mixed)) == names(mixed), "what came out may go in again"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone.png", "cannot be read: No such file"),
        ("loop.png", "cannot be read: Too many levels"),
        ("pipe.png", "is a pipe, socket or device"),
        ("x.tar", "cannot be read as an archive"),
        ("x.rar", "those of kind .rar are not read"),
        ("empty", "contains no images"),
        ("empty.txt", "lists no images"),
        ("rtsp://camera/1", "is a URL"),
        ("https://host/a.png", "is a URL"),
        ("a\0b", "cannot be read: embedded null"),
        (3.5, None),
        ([None], "a NoneType is not an image; expected a path"),
    ],
)
def test_non_images_are_reported_without_blocking(tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    Path("loop.png").symlink_to("loop.png")
    os.mkfifo("pipe.png")
    Path("empty").mkdir()
    for file in ("x.tar", "x.rar", "x.mp4", "empty.txt"):
        Path(file).touch()
    if says is None:
        with pytest.raises(UsageError, match="a float is not an image"):
            list(images_in(name))
        return
    error = error_of(name)
    assert isinstance(error, UsageError)
    assert says in str(error)
    assert name == [None] or str(name) in str(error)


def test_non_videos_are_reported_without_blocking(tmp_path):
    pytest.importorskip("av")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "x.mp4").touch()
    with pytest.raises(UsageError, match=r"pipe\.mp4: is not a file"):
        raise error_of(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match=r"x\.mp4: cannot be opened: .* \(it is not a video, or damaged"):
        raise error_of(tmp_path / "x.mp4")
    with pytest.raises(UsageError, match=r"camera 63: cannot be opened|cameras are supported on"):
        raise error_of(63)


def test_special_files_in_a_folder_fail_one_by_one(tmp_path):
    image(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    for source in list(images_in(tmp_path))[1:]:
        with pytest.raises(ImageError):
            source.image()
    assert places(tmp_path) == ["a.png", "loop.png", "pipe.png"]


def test_a_folder_that_cannot_be_opened_is_an_error_among_the_images(tmp_path, monkeypatch):
    image(tmp_path / "a.png")
    (tmp_path / "b").mkdir()
    image(tmp_path / "c.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("condetr.prediction.image_files.os.scandir", refuse)
    first, locked, last = images_in(tmp_path)
    assert isinstance(locked.content, DataError)
    assert "b: cannot be read: Permission denied" in str(locked.content)
    assert first.image()
    assert last.image()


@pytest.mark.parametrize(
    "name", ["a\nb.png", "n" * 246 + ".png", b"\xff\xfe.png", "emoji \U0001f600.png", "a b'\".png"]
)
def test_odd_names(tmp_path, name):
    path = image(tmp_path / os.fsdecode(name))
    (source,) = images_in(tmp_path)
    assert source.image()
    assert os.fsencode(source.name) == os.fsencode(path)


def test_one_or_many(folder):
    assert is_one(str(folder / "a.png"))
    assert is_one("gone.png")
    assert is_one(np.zeros((5, 7, 3)))
    assert not is_one(folder)
    assert not is_one(f"{folder}/*.png")
    assert not is_one(folder / "labels.txt")
    assert not is_one([folder / "a.png"])


def test_binary_streams_are_read_immediately(tmp_path):
    Image.new("L", (3, 2)).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open("rb") as stream:
        sources = list(images_in([io.BytesIO((tmp_path / "a.png").read_bytes()), stream]))
    assert [source.name for source in sources] == ["image 0", str(tmp_path / "a.png")]
    assert [source.image().size for source in sources for _ in range(2)] == [(3, 2)] * 4
    assert is_one(stream)
    (closed,) = images_in(stream)
    with pytest.raises(ImageError, match=r"cannot be read: .*closed"):
        closed.image()
