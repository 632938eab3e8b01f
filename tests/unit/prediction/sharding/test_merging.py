import itertools
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import ImageError, StorageError, UsageError
from condetr.images.detections import Detections
from condetr.prediction.input.listing import Listing
from condetr.prediction.predictor import Failure
from condetr.prediction.results_folder import claim
from condetr.prediction.results_writing import ResultWriter
from condetr.prediction.sharding.merging import folder_of, merge
from condetr.prediction.sharding.shard import Shard
from tests.fork_server import BOTH_WAYS

NAMES = {0: "cat", 1: "big dog"}
EVERY = ("images", "crops", "json", "jsonl", "coco", "yolo", "csv")


@pytest.fixture
def folder(tmp_path):
    """Two images share a name but for its ending, and two cannot be read."""
    (tmp_path / "in/sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("1.png", "2.png", "2.bmp", "3.png", "bad1.png", "sub/2.png", "sub/4.png", "sub/bad2.png", "z.png"):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(tmp_path / "in" / name)
    return tmp_path / "in"


def result_of(image, *, segments=False):
    """What a network that sees only names would find."""
    if "bad" in image.name:
        return Failure(image.name, ImageError("is damaged", source=image.name))
    count = sum(map(ord, image.relative_path.stem)) % 3
    result = Detections(
        boxes=torch.tensor([[1.0, 2.0, 11.125, 22.3]]).repeat(count, 1) + torch.arange(count)[:, None],
        scores=torch.linspace(0.9, 0.3, count),
        labels=torch.arange(count) % 2,
        names=tuple(NAMES[number % 2] for number in range(count)),
        size=(30, 40),
        source=image.name,
    )
    if not segments:
        return result
    plane = torch.zeros(30, 40, dtype=torch.int32)
    for number in range(count):
        plane[:, 10 * number : 10 * number + 10] = number + 1
    return replace(result, segments=plane)


def predict(folder, output, formats, *, shard=None, threshold=0.5, labels=NAMES, most=None, segments=False):
    target = output if shard is None else folder_of(output, shard)
    listing = Listing([str(folder)], apart_from=output, shard=shard)
    with (
        claim(target, "resume"),
        ResultWriter(
            target,
            formats,
            run={"threshold": threshold, "save": list(formats)},
            about={"condetr": "1", "device": "cpu", "notes": []},
            overwrite=False,
            labels=labels,
            source_ids=(17, 90),
            stuff=(1,),
            shard=shard,
        ) as writer,
    ):
        for image in itertools.islice(listing, most):
            if not writer.is_done(image):
                writer.add(image, result_of(image, segments=segments))
        if most is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        writer.listed(listing)


def contents_of(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.relative_to(folder).parts[0] != "shards"
    }


@pytest.mark.parametrize("count", [1, 2, 5, 30])
@pytest.mark.parametrize(("formats", "segments"), [(EVERY, False), (("coco-panoptic", "coco"), True)])
def test_merged_shards_equal_one_run_byte_for_byte(folder, tmp_path, count, formats, segments):
    predict(folder, tmp_path / "one", formats, segments=segments)
    for number in reversed(range(1, count + 1)):
        predict(folder, tmp_path / "out", formats, shard=Shard(number, count), segments=segments)
    counts = merge(tmp_path / "out", EVERY)
    assert counts == {"ok": 7, "failed": 2, "before": 0}
    assert contents_of(tmp_path / "out") == contents_of(tmp_path / "one")
    assert len(contents_of(tmp_path / "out")) > 10


def test_merging_again_changes_nothing_and_files_are_linked(folder, tmp_path):
    for number in (1, 2):
        predict(folder, tmp_path / "out", ("json", "csv"), shard=Shard(number, 2))
    merge(tmp_path / "out", EVERY)
    before = contents_of(tmp_path / "out")
    merge(tmp_path / "out", EVERY)
    assert contents_of(tmp_path / "out") == before
    assert {path.stat().st_nlink for path in (tmp_path / "out/json").rglob("*.json")} == {2}
    predict(folder, tmp_path / "out", ("json", "csv"), shard=Shard(2, 2))  # resumed, with nothing to do
    assert merge(tmp_path / "out", EVERY) == {"ok": 7, "failed": 2, "before": 0}
    assert contents_of(tmp_path / "out") == before


def test_without_hard_links_files_are_copied(folder, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(1, "Operation not permitted")

    predict(folder, tmp_path / "one", ("json",))
    predict(folder, tmp_path / "out", ("json",), shard=Shard(1, 1))
    monkeypatch.setattr(os, "link", fail)
    merge(tmp_path / "out", EVERY)
    assert contents_of(tmp_path / "out") == contents_of(tmp_path / "one")


def test_what_is_missing_or_different_is_named(folder, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="has no shards to merge"):
        merge(tmp_path, EVERY)
    for number in (1, 3):
        predict(folder, out, ("csv",), shard=Shard(number, 4))
    with pytest.raises(UsageError, match="the results of these shards are missing: 2/4, 4/4"):
        merge(out, EVERY)
    predict(folder, out, ("csv",), shard=Shard(2, 4))
    predict(folder, out, ("csv",), shard=Shard(4, 4), threshold=0.25)
    with pytest.raises(UsageError, match=r"shards/4-of-4: threshold: is 0\.25, but 0\.5 in shard 1/4"):
        merge(out, EVERY)
    assert sorted(path.name for path in out.iterdir()) == ["shards"], "nothing is written before all is checked"
    with pytest.raises(UsageError, match="is 1/3, but the folder has shards of 4"):
        folder_of(out, Shard(1, 3))


def test_other_classes_and_other_images_are_refused(folder, tmp_path):
    out = tmp_path / "out"
    predict(folder, out, ("csv",), shard=Shard(1, 2))
    predict(folder, out, ("csv",), shard=Shard(2, 2), labels={0: "cat", 1: "mouse"})
    with pytest.raises(UsageError, match=r"2-of-2: has a model with other classes than shard 1/2"):
        merge(out, EVERY)
    (folder / "new.png").write_bytes((folder / "1.png").read_bytes())
    predict(folder, out, ("csv",), shard=Shard(2, 2))
    with pytest.raises(UsageError, match=r"2-of-2: listed other images than shard 1/2"):
        merge(out, EVERY)
    predict(folder, out, ("csv",), shard=Shard(1, 2))
    assert merge(out, EVERY)["ok"] == 8


def test_a_run_without_shards_is_not_written_over(folder, tmp_path):
    predict(folder, tmp_path / "one", ("csv",))
    with pytest.raises(UsageError, match="has the results of a run without shards"):
        folder_of(tmp_path / "one", Shard(1, 2))


KILLED = """
import sys
from pathlib import Path
from condetr.prediction.sharding.shard import Shard
from tests.unit.prediction.sharding import test_merging
test_merging.predict(Path(sys.argv[1]), Path(sys.argv[2]), ("json", "csv"), shard=Shard(1, 1), most=5)
"""


def test_a_killed_shard_is_named_and_resumes(forked, folder, tmp_path):
    done = forked.run("-c", KILLED, folder, tmp_path / "out")
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(UsageError, match=r"these shards are not complete: 1/1 \(run it to its end with --resume\)"):
        merge(tmp_path / "out", EVERY)
    predict(folder, tmp_path / "out", ("json", "csv"), shard=Shard(1, 1))
    predict(folder, tmp_path / "one", ("json", "csv"))
    merge(tmp_path / "out", EVERY)
    assert contents_of(tmp_path / "out") == contents_of(tmp_path / "one")


def test_a_shard_that_is_being_predicted_is_not_merged(forked, folder, tmp_path):
    predict(folder, tmp_path / "out", ("csv",), shard=Shard(1, 1))
    hold = "import sys; from pathlib import Path; from condetr.prediction.results_folder import claim\n"
    hold += "with claim(Path(sys.argv[1]), 'resume'): print('held', flush=True); sys.stdin.read()"
    with forked.start("-c", hold, tmp_path / "out/shards/1-of-1", **BOTH_WAYS) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"process {holder.pid} on .* in this folder"):
            merge(tmp_path / "out", EVERY)
        holder.kill()


def test_a_spoilt_record_or_journal_is_named(folder, tmp_path):
    predict(folder, tmp_path / "out", ("csv",), shard=Shard(1, 1))
    shard = tmp_path / "out/shards/1-of-1"
    record = (shard / "shard.json").read_text()
    for text in ("{", "[]", '{"number": 1}'):
        (shard / "shard.json").write_text(text)
        with pytest.raises(UsageError, match=r"shard\.json: is not the record of a shard"):
            merge(tmp_path / "out", EVERY)
    (shard / "shard.json").write_text(record)
    with (shard / "predictions.jsonl").open("a") as journal:
        journal.write(json.dumps({"source": "x", "output": "x"}) + "\n")
    with pytest.raises(StorageError, match=r"predictions\.jsonl: line 8: is not a result of a shard"):
        merge(tmp_path / "out", EVERY)


def test_overwriting_a_shard_removes_its_record(folder, tmp_path):
    predict(folder, tmp_path / "out", ("csv",), shard=Shard(1, 1))
    shard = folder_of(tmp_path / "out", Shard(1, 1))
    with claim(shard, "overwrite"), ResultWriter(shard, (), run={}, about={}, overwrite=True, labels=NAMES):
        pass
    assert sorted(path.name for path in Path(shard).iterdir()) == ["predictions.jsonl", "run.json"]
