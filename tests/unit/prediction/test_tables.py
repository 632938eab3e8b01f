"""Tables from one pass over the journal; `test_results_writing` has their contents."""

import json

import pytest

from condetr.core.errors import StorageError
from condetr.prediction.tables import COCO_IMAGES, COCO_RESULTS, CSV, Classes, table_names, write_tables


def line(source, *, score=0.5, **changed):
    row = {"box": [1.0, 2.0, 3.5, 4.25], "score": score, "label": 0, "name": "cat"}
    record = {"source": source, "size": [30, 40], "detections": [row]} | changed | {"output": source}
    return json.dumps(record) + "\n"


def written(tmp_path, lines, formats=("csv", "coco")):
    (tmp_path / "predictions.jsonl").write_text("".join(lines))
    paths = {name: tmp_path / name for name in table_names(formats)}
    write_tables(tmp_path / "predictions.jsonl", paths, Classes(names={0: "cat"}, category_ids={0: 17}))
    return {name: path.read_text() for name, path in paths.items()}


def test_the_journal_is_parsed_once_for_all_tables(tmp_path, monkeypatch):
    parsed = []
    real = json.loads
    monkeypatch.setattr(json, "loads", lambda text: parsed.append(1) or real(text))
    tables = written(tmp_path, [line(f"{number}.png") for number in range(20)])
    assert len(parsed) == 20
    assert set(tables) == {CSV, COCO_RESULTS, COCO_IMAGES}
    assert len(real(tables[COCO_RESULTS])) == 20


def test_ids_are_the_numbers_in_file_names_also_where_an_image_was_written_twice(tmp_path):
    lines = [line("a/7.png"), line("a/8.png", score=0.25), line("a/7.png", score=0.75)]
    tables = written(tmp_path, lines)
    assert [(row["image_id"], row["score"]) for row in json.loads(tables[COCO_RESULTS])] == [(8, 0.25), (7, 0.75)]
    tables = written(tmp_path, [*lines, line("b/8.png")])
    assert [row["image_id"] for row in json.loads(tables[COCO_RESULTS])] == [1, 2, 3], "8 is two images"


@pytest.mark.parametrize("changed", [{"detections": [{}]}, {"detections": 3}, {"size": None}, {"size": [1, 2, 3]}])
def test_a_line_that_was_spoilt_is_named(tmp_path, changed):
    with pytest.raises(StorageError, match=r"predictions\.jsonl: a\.png: is not a record of detections"):
        written(tmp_path, [line("a.png", **changed)])


def test_parquet_has_the_rows_of_the_csv_and_masks(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    row = {"box": [0.0, 1.0, 2.0, 3.0], "score": 0.5, "label": 1, "name": "d\ud83dg", "mask": {"counts": "05"}}
    lines = [line("a.png"), line("b\udcff.png", detections=[row, row]), line("c.png", detections=[])]
    (tmp_path / "predictions.jsonl").write_text("".join(lines))
    path = tmp_path / "predictions.parquet"
    write_tables(tmp_path / "predictions.jsonl", {path.name: path}, Classes(names={}))
    rows = parquet.read_table(path).to_pylist()
    assert [(row["source"], row["name"], row["x2"], row["mask"]) for row in rows] == [
        ("a.png", "cat", 3.5, None),
        *[("b\ufffd.png", "d\ufffdg", 2.0, "05")] * 2,
    ]
    assert {(row["height"], row["width"]) for row in rows} == {(30, 40)}
