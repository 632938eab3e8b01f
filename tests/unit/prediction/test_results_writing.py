import contextlib
import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path, PurePath

import pytest
import torch
from PIL import Image

from condetr.core.errors import ImageError, StorageError, UsageError
from condetr.data.discovery.formats import read_dataset
from condetr.data.object_masks import object_masks
from condetr.files.atomic_write import reach_disk
from condetr.images.detections import Detections
from condetr.images.masks.rle import mask_of_rle
from condetr.prediction.group_commit import GroupCommit
from condetr.prediction.predictor import Failure
from condetr.prediction.results_folder import check_apart, claim
from condetr.prediction.results_log import Journal
from condetr.prediction.results_writing import ResultWriter
from condetr.prediction.sources import ImageSource
from tests.fork_server import BOTH_WAYS

RUN = {"model": "tiny", "threshold": 0.5}
EVERY = ("images", "json", "jsonl", "coco", "yolo", "csv")


def writer(folder, formats=EVERY, *, run=RUN, overwrite=False, **options):
    return ResultWriter(
        folder, formats, run=run, about={}, overwrite=overwrite, labels={0: "cat", 1: "big dog"}, **options
    )


def found_in(path, labels=(0, 1)):
    count = len(labels)
    result = Detections(
        boxes=torch.tensor([[1.0, 2.0, 11.0, 22.0]]).repeat(count, 1),
        scores=torch.full((count,), 0.75),
        labels=torch.tensor(labels, dtype=torch.int64),
        names=tuple(("cat", "big dog")[label] for label in labels),
        size=(30, 40),
        source=str(path),
    )
    return ImageSource(str(path), PurePath(Path(path).name), str(path)), result


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / "in" / name for name in ("000000000007.png", "42.png", "9.png")]
    paths[0].parent.mkdir()
    for path in paths:
        Image.new("RGB", (40, 30)).save(path)
    return paths


@pytest.fixture
def out(tmp_path):
    with claim(tmp_path / "out", "refuse"):
        pass
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def size_of(file):
    with Image.open(file) as image:
        return image.size


def lines_of(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_every_format(images, out):
    with writer(out, source_ids=(17, 18)) as results:
        for path in images[:2]:
            results.add(*found_in(path))
    assert files_in(out) == [
        "classes.txt", "coco_images.json", "coco_results.json",
        "images/000000000007.jpg", "images/42.jpg",
        "json/000000000007.json", "json/42.json",
        "labels/000000000007.txt", "labels/42.txt",
        "predictions.csv", "predictions.jsonl", "run.json",
    ]  # fmt: skip
    assert size_of(out / "images/42.jpg") == (40, 30)
    assert Detections.from_dict(lines_of(out / "json/42.json")[0]).names == ("cat", "big dog")
    assert [line["output"] for line in lines_of(out / "predictions.jsonl")] == ["000000000007", "42"]
    assert (out / "labels/42.txt").read_text().splitlines()[0] == "0 0.150000 0.400000 0.250000 0.666667"
    assert (out / "classes.txt").read_text() == "cat\nbig dog\n"
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    assert [(row["name"], row["x2"]) for row in rows] == [("cat", "11.0"), ("big dog", "11.0")] * 2
    coco = json.loads((out / "coco_results.json").read_text())
    assert coco[1] == {"image_id": 7, "category_id": 18, "bbox": [1.0, 2.0, 10.0, 20.0], "score": 0.75}
    assert [row["id"] for row in json.loads((out / "coco_images.json").read_text())] == [7, 42]
    assert json.loads((out / "run.json").read_text()) == RUN | {
        "state": "complete",
        "counts": {"ok": 2, "failed": 0, "before": 0},
    }


def test_image_ids_are_counted_where_names_are_not_numbers(images, out, tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "in/cat.png")
    with writer(out, ("coco",)) as results:
        for path in (images[2], tmp_path / "in/cat.png"):
            results.add(*found_in(path))
    assert [row["id"] for row in json.loads((out / "coco_images.json").read_text())] == [1, 2]


def test_no_detections_are_a_result(images, out):
    with writer(out) as results:
        results.add(*found_in(images[0], labels=()))
    assert json.loads((out / "coco_results.json").read_text()) == []
    assert (out / "labels/000000000007.txt").read_text() == ""
    assert lines_of(out / "predictions.jsonl")[0]["detections"] == []


def test_failures_are_listed_separately(images, out):
    source, _ = found_in(images[0])
    with writer(out) as results:
        results.add(source, Failure(source.name, ImageError("is damaged", source=source.name)))
        results.add(*found_in(images[1]))
    (error,) = lines_of(out / "errors.jsonl")
    assert error == {"code": "image", "source": source.name, "item": None, "reason": "is damaged", "hint": None}
    assert len(lines_of(out / "predictions.jsonl")) == 1
    assert results.counts == {"ok": 1, "failed": 1, "before": 0}


def test_an_image_removed_before_it_was_drawn_on_has_failed(images, out):
    source, result = found_in(images[0])
    images[0].unlink()
    with writer(out) as results:
        assert isinstance(results.add(source, result), Failure)
    assert results.counts["failed"] == 1
    assert lines_of(out / "errors.jsonl")[0]["source"] == source.name
    assert lines_of(out / "predictions.jsonl") == []


def test_an_interrupted_run_is_complete_on_disk_and_resumes(images, out):
    with pytest.raises(KeyboardInterrupt), writer(out) as results:  # noqa: PT012  the last statement raises
        results.add(*found_in(images[0]))
        source, _ = found_in(images[1])
        results.add(source, Failure(source.name, ImageError("is damaged")))
        raise KeyboardInterrupt
    assert json.loads((out / "run.json").read_text())["state"] == "interrupted"
    assert len(json.loads((out / "coco_results.json").read_text())) == 2
    with (out / "predictions.jsonl").open("a") as file:
        file.write('{"source": "half')  # as a killed process leaves it
    claim(out, "resume").release()
    with writer(out) as results:
        done = [results.is_done(found_in(path)[0]) for path in images]
        assert done == [True, False, False]
        for path in images[1:]:
            results.add(*found_in(path))
    assert results.counts == {"ok": 2, "failed": 0, "before": 1}
    assert [Path(line["source"]).name for line in lines_of(out / "predictions.jsonl")] == [p.name for p in images]
    assert not (out / "errors.jsonl").exists(), "what failed was tried again"
    assert len(json.loads((out / "coco_results.json").read_text())) == 6


def test_a_run_resumes_only_with_its_settings(images, out):
    with writer(out):
        pass
    with pytest.raises(UsageError, match=r"threshold: is 0\.6, but the run in this folder began with 0\.5"):
        writer(out, run=RUN | {"threshold": 0.6})


@pytest.mark.parametrize("text", ["[]", "{", "\xff"])
def test_a_broken_run_file_is_refused(out, text):
    (out / "run.json").write_text(text, encoding="latin-1")
    claim(out, "resume").release()
    with pytest.raises(UsageError, match=r"run\.json"):
        writer(out)


@pytest.mark.parametrize("line", ["nonsense", "\xff", "[]", "{}", '{"source": 3, "output": "a"}'])
def test_a_broken_journal_is_named(out, line):
    (out / "predictions.jsonl").write_text(f'{{"source": "a", "output": "a"}}\n{line}\n', encoding="latin-1")
    with pytest.raises(StorageError, match=r"predictions\.jsonl: line 2: is not a result"):
        writer(out)


def test_overwriting_removes_what_condetr_wrote_and_nothing_else(images, out, tmp_path):
    with writer(out) as results:
        for path in images:
            results.add(*found_in(path))
    (out / "images/mine.jpg").write_text("mine")
    (out / "notes.txt").write_text("mine")
    (tmp_path / "outside.txt").write_text("mine")
    with (out / "predictions.jsonl").open("a") as journal:
        journal.write('{"source": "x", "output": "../../outside"}\n{"source": "y", "output": "/etc/passwd"}\n')
    claim(out, "overwrite").release()
    with writer(out, ("json",), overwrite=True, run={"model": "other"}) as results:
        results.add(*found_in(images[0]))
    assert files_in(out) == ["images/mine.jpg", "json/000000000007.json", "notes.txt", "predictions.jsonl", "run.json"]
    assert (tmp_path / "outside.txt").exists()


def test_a_full_disk_is_an_error_of_storage(images, out, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"), writer(out, ("yolo",)) as results:  # noqa: PT012  the last
        results.add(*found_in(images[0]))
        monkeypatch.setattr(Path, "write_bytes", full)
        results.add(*found_in(images[1]))
    assert len(lines_of(out / "predictions.jsonl")) == 1


def test_very_long_images_are_painted_as_png(out, tmp_path):
    Image.new("RGB", (66_000, 2)).save(tmp_path / "long.png")
    path = tmp_path / "long.png"
    result = Detections(
        torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), (), (2, 66_000), str(path)
    )
    with writer(out, ("images",)) as results:
        results.add(ImageSource(str(path), PurePath("long.png"), str(path)), result)
    assert size_of(out / "images/long.png") == (66_000, 2)


def test_a_used_folder_is_refused(out):
    (out / "mine.txt").write_text("mine")
    for if_used, says in [
        ("refuse", "exists and is not an empty folder"),
        ("overwrite", "was not written by condetr predict"),
        ("resume", "was not written by condetr predict"),
    ]:
        with pytest.raises(UsageError, match=says):
            claim(out, if_used)
    assert files_in(out) == ["mine.txt"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written: Not a directory"):
        claim(tmp_path / "file" / "out", "refuse")
    with pytest.raises(UsageError, match="cannot be written: Not a directory"):
        claim(tmp_path / "file", "refuse")


def test_the_output_never_contains_the_input(tmp_path, monkeypatch):
    (tmp_path / "in/sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "in")
    for output in (tmp_path / "in", tmp_path, Path(), Path("../in/sub/..")):
        with pytest.raises(UsageError, match="is the folder of the input, or contains it"):
            check_apart(output, ["sub"])
    (tmp_path / "alias").symlink_to("in")
    with pytest.raises(UsageError):
        check_apart(tmp_path / "alias", [str(tmp_path / "in/sub")])
    check_apart(Path("sub/out"), ["sub", "."])


def test_segments_are_read_back_as_a_dataset(images, out):
    """A cat on the left, two more below each other, the rest nobody's; the last image is empty."""
    plane = torch.zeros(30, 40, dtype=torch.int32)
    plane[:, :10], plane[:15, 20:], plane[15:, 20:] = 1, 2, 3
    with writer(out, ("coco-panoptic", "coco"), source_ids=(17, 90), stuff=(1,)) as results:
        for path, labels in zip(images, ((1, 0, 0), (0, 0, 1), ()), strict=True):
            source, result = found_in(path, labels)
            results.add(source, replace(result, segments=plane if labels else plane * 0))
    assert files_in(out / "coco_panoptic") == ["000000000007.png", "42.png", "9.png"]
    content = json.loads((out / "coco_panoptic.json").read_text())
    assert [Path(item["file_name"]) for item in content["images"]] == images
    for image in content["images"]:  # a data set's images lie beside it
        image["file_name"] = Path(image["file_name"]).name
    (images[0].parent / "panoptic.json").write_text(json.dumps(content))
    shutil.copytree(out / "coco_panoptic", images[0].parent / "panoptic")
    read = read_dataset(images[0].parent / "panoptic.json", masks=True, panoptic=True)
    assert (read.classes.names, read.classes.source_ids, read.classes.stuff) == (("cat", "big dog"), (17, 90), (1,))
    assert [item.image_id for item in read] == [7, 42, 9]
    for example, labels in zip(read, ((1, 0, 0), (0, 0, 1), ()), strict=True):
        assert tuple(labeled.label for labeled in example.objects) == labels
        for number, mask in enumerate(object_masks(example, example.objects), start=1):
            assert torch.equal(mask, plane == number)
    results = json.loads((out / "coco_results.json").read_text())
    assert torch.equal(mask_of_rle(results[1]["segmentation"], (30, 40)), plane == 2)
    claim(out, "overwrite").release()
    with writer(out, ("jsonl",), overwrite=True):
        pass
    assert files_in(out) == ["predictions.jsonl", "run.json"]


HOLD = """
import sys
from pathlib import Path
from condetr.prediction.group_commit import GroupCommit
from condetr.prediction.results_log import Journal
from condetr.prediction.results_folder import claim
from tests.fork_server import BOTH_WAYS
with claim(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("if_used", ["refuse", "resume", "overwrite"])
def test_a_second_run_is_refused_and_a_killed_one_is_not_in_the_way(forked, out, if_used):
    with forked.start("-c", HOLD, out, if_used, **BOTH_WAYS) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"process {holder.pid} on .* is predicting in this folder"):
            claim(out, if_used)
        holder.kill()
        holder.wait()
    assert files_in(out) == [".lock"]
    (out / ".run.json.x.unfinished").touch()  # as a run killed inside its first write leaves it
    with claim(out, if_used) as claimed:
        assert claimed.missing is None
        assert files_in(out) == [".lock"]
    assert not out.parent.joinpath("out/.lock").exists()


def test_a_run_that_wrote_nothing_leaves_nothing(tmp_path):
    claim(tmp_path / "runs/deep/out", "refuse").release()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").touch()
    with pytest.raises(UsageError, match="not an empty folder"):
        claim(tmp_path, "refuse")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_of_an_image_that_was_written_twice_the_last_result_counts(images, out):
    """Two runs in one folder, as they could be where nothing locks."""
    formats = ("csv", "coco")
    with writer(out, formats) as results:
        for path in images:
            results.add(*found_in(path))
    line = json.loads((out / "predictions.jsonl").read_text().splitlines()[0])
    line["detections"] = line["detections"][:1]
    with (out / "predictions.jsonl").open("a") as journal:
        journal.write(json.dumps(line) + "\n")
        journal.write(json.dumps({"size": [30, 40], "detections": [], "source": line["source"], "output": "7"}) + "\n")
        journal.write(json.dumps(line) + "\n")
    with writer(out, formats) as results:
        assert all(results.is_done(found_in(path)[0]) for path in images)
    assert results.counts["before"] == 3
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 2 * 2 + 1
    assert len(json.loads((out / "coco_results.json").read_text())) == 5
    assert len(json.loads((out / "coco_images.json").read_text())) == 3


@pytest.fixture
def reached(monkeypatch):
    """The files that were flushed to the disk, in order."""
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(Path(f"/proc/self/fd/{handle}").readlink().name))
    return flushed


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are looked up in /proc")
def test_finished_images_reach_the_disk_in_groups_and_their_files_first(out, reached, monkeypatch):
    now = 0.0
    monkeypatch.setattr("condetr.prediction.group_commit.MOST", 3)
    monkeypatch.setattr(GroupCommit.__init__, "__kwdefaults__", {"clock": lambda: now})
    with writer(out, ("json", "yolo")) as results:
        reached.clear()
        journal = out / "predictions.jsonl"
        for number in range(5):
            results.add(*found_in(f"{number}.png"))
            assert len(lines_of(journal)) == (3 if number >= 2 else 0)
        assert reached == [
            "0.json",
            "0.txt",
            "1.json",
            "1.txt",
            "2.json",
            "2.txt",
            "json",
            "labels",
            "predictions.jsonl",
        ]
        now = 1.0
        results.add(*found_in("5.png"))
        assert len(lines_of(journal)) == 6, "what waited for a second waits no longer"
        results.add(*found_in("6.png"))
    assert len(lines_of(journal)) == 7


def test_the_list_of_errors_is_opened_once(out, monkeypatch):
    opened = []
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *more, **named: opened.append(self.name) or real(self, *more, **named)
    )
    with writer(out, ()) as results:
        for number in range(20):
            results.add(found_in(f"{number}.png")[0], Failure(f"{number}.png", ImageError("is damaged")))
    assert opened.count("errors.jsonl") == 1
    assert len(lines_of(out / "errors.jsonl")) == 20


def test_a_failed_drawing_leaves_all_other_results(images, out, monkeypatch, caplog):
    def fail(_):
        raise ValueError("x1 must be greater than or equal to x0")

    monkeypatch.setattr(Detections, "draw", fail)
    with writer(out) as results:
        assert isinstance(results.add(*found_in(images[0])), Detections)
    assert results.counts == {"ok": 1, "failed": 0, "before": 0, "not_painted": 1}
    assert files_in(out / "json") == ["000000000007.json"]
    assert not (out / "images").exists()
    (error,) = lines_of(out / "errors.jsonl")
    assert (error["source"], error["item"]) == (str(images[0]), "images")
    assert "could not be drawn: ValueError: x1 must be" in error["reason"]
    assert "could not be drawn" in caplog.text


HOSTILE = {
    0: "a,b", 1: 'q"q', 2: "new\nline", 3: "=cmd|' /C calc'!A0", 4: "\U0001f600", 5: "\ud83d lone", 6: "\udcff byte",
    7: "", 8: " sp ", 9: "\x00nul", 10: "x" * 5000, 11: "\u2028 ls",
}  # fmt: skip


def test_any_name_of_a_class_or_file_is_read_back_from_every_format(tmp_path):
    path = str(tmp_path / 'a,"\n\U0001f600\udcff.png')
    Image.new("RGB", (40, 30)).save(path)
    count = len(HOSTILE)
    boxes = torch.tensor([[1.0, 2.0, 11.0, 22.0]]).repeat(count, 1)
    result = Detections(boxes, torch.full((count,), 0.75), torch.arange(count), tuple(HOSTILE.values()), (30, 40), path)
    out = tmp_path / "out"
    with claim(out, "refuse"), ResultWriter(out, EVERY, run={}, about={}, overwrite=False, labels=HOSTILE) as results:
        assert results.add(ImageSource(path, PurePath(PurePath(path).name), path), result) is result
    assert results.counts == {"ok": 1, "failed": 0, "before": 0}
    stem = PurePath(path).stem
    assert len(files_in(out / "images")) == 1
    for line in (lines_of(out / "predictions.jsonl")[0], json.loads((out / f"json/{stem}.json").read_text())):
        assert Detections.from_dict(line).names == tuple(HOSTILE.values())
        assert line["source"] == path
    with (out / "predictions.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [name.replace("\ud83d", "\ufffd") for name in HOSTILE.values()]
    assert {row["source"] for row in rows} == {path}
    (image,) = json.loads((out / "coco_images.json").read_text())
    assert image["file_name"] == path
    assert len(json.loads((out / "coco_results.json").read_text())) == count
    assert [line.split()[0] for line in (out / f"labels/{stem}.txt").read_text().splitlines()] == [
        *map(str, range(count))
    ]
    classes = (out / "classes.txt").read_text(encoding="utf-8").splitlines()
    assert classes[:10] == [
        "a,b", 'q"q', "new line", HOSTILE[3], "\U0001f600", "? lone", "? byte", "class 7", "sp", "?nul",
    ]  # fmt: skip
    assert len(classes) == count


class Killed(BaseException):
    """What stands for kill -9: no code of the run comes after it."""


@pytest.mark.parametrize("moment", range(1, 16))
def test_a_run_killed_at_any_time_has_a_complete_journal_and_resumes(out, moment, monkeypatch):
    steps = iter(range(1, 1000))

    def killed_at_the_moment(real):
        def step(*args):
            if next(steps) == moment:
                raise Killed
            return real(*args)

        return step

    monkeypatch.setattr("condetr.prediction.group_commit.MOST", 2)
    names = [f"{number}.png" for number in range(5)]
    with monkeypatch.context() as dying:
        for step in ("prediction.group_commit.reach_disk", "prediction.results_log.Journal.add"):
            module, _, name = f"condetr.{step}".rpartition(".")
            real = Journal.add if name == "add" else reach_disk
            dying.setattr(f"{module}.{name}", killed_at_the_moment(real))
        killed = writer(out, ("json", "yolo"))
        with contextlib.suppress(Killed):
            for name in names:
                killed.add(*found_in(name))
        killed._journal.close()  # as the system does
    for line in lines_of(out / "predictions.jsonl"):
        text = (out / f"json/{line['output']}.json").read_text()
        assert json.loads(text) == {key: value for key, value in line.items() if key != "output"}
    with claim(out, "resume"), writer(out, ("json", "yolo")) as results:
        for source, result in map(found_in, names):
            if not results.is_done(source):
                results.add(source, result)
    assert sorted(line["source"] for line in lines_of(out / "predictions.jsonl")) == names
    assert files_in(out / "labels") == [f"{number}.txt" for number in range(5)]
