"""Shards on the command line; `test_merging` has the details."""

import json

import pytest


def contents_of(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and "shards" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_shards_that_are_merged_equal_one_run(condetr, model, photos, tmp_path, monkeypatch):
    words = ("predict", photos, "--model", model, "--threshold", "0.3", "--save", "images,json,coco,csv", "--output")
    assert condetr(*words, "one")[0] == 4
    for number in (1, 2):
        monkeypatch.setenv("RANK", str(number - 1))
        monkeypatch.setenv("WORLD_SIZE", "2")
        _, out, _ = condetr(*words, "out", "--shard", "auto")
        assert f"results in out/shards/{number}-of-2" in out
    status, out, _ = condetr("predict", "--merge", "out")
    assert (status, out) == (4, "3 ok, 2 failed; results in out\n")
    assert contents_of(tmp_path / "out") == contents_of(tmp_path / "one")
    assert condetr(*words, "one", "--resume")[1] == "0 ok, 2 failed, 3 done before; results in one\n"
    assert condetr(*words, "out", "--resume")[1] == "0 ok, 2 failed, 3 done before; results in out\n", "as of one run"
    assert json.loads(condetr("predict", "--merge", "out", "--json")[1]) == {
        "output": "out",
        "counts": {"ok": 3, "failed": 2, "before": 0},
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a.png", "--shard", "1/2"], "--shard: needs the folder that all shards share (give --output)"),
        (["a.png", "--shard", "3/2", "--output", "out"], "shard: is 3/2, expected a number from 1 to the count"),
        (["a.png", "--shard", "auto", "--output", "out"], "shard: is auto, but neither RANK and WORLD_SIZE nor"),
        (["a.png", "--merge", "out"], "merge: cannot be combined with a.png (condetr predict --merge OUTPUT)"),
        (["--merge", "out", "--threshold", "0.5"], "merge: cannot be combined with --threshold"),
        (["--merge", "out"], "out: has no shards to merge"),
        ([], "Missing argument 'SOURCE...'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(condetr, photos, tmp_path, monkeypatch, words, says):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    (tmp_path / "a.png").write_bytes((photos / "a.png").read_bytes())
    status, out, err = condetr("predict", *words)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
