import csv
import json

import numpy as np
import pytest
from PIL import Image

from condetr.charts.sheet import color_key
from condetr.core.errors import StorageError, UsageError
from condetr.evaluation.coco_ap import RECALLS
from condetr.evaluation.measure import measure
from condetr.evaluation.report_charts import KIND_COLORS
from condetr.evaluation.worst import worst_images
from tests.unit.evaluation.scored import detections, distorted, perfect


@pytest.fixture(scope="module")
def folder(scenes, tmp_path_factory):
    return measure(scenes, distorted(scenes)).save(tmp_path_factory.mktemp("report") / "new")


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_everything_is_there(folder):
    images = ["confusion.png", "errors.png", "pr.png", "worst.jpg"]
    tables = ["confusion.csv", "per_class.csv", "worst.csv"]
    assert files_in(folder) == sorted([*images, *tables, "predictions.json", "report.json"])
    for name in images:
        with Image.open(folder / name) as image:
            assert min(image.size) > 200
            assert len(np.unique(np.asarray(image.convert("L")))) > 20


def test_tables_say_what_the_json_says(folder):
    record = json.loads((folder / "report.json").read_text())
    header, *rows = rows_of(folder / "per_class.csv")
    assert header[:4] == ["class", "objects", "detections", "ap"]
    assert [float(row[3]) for row in rows] == [record["per_class"][row[0]]["ap"] for row in rows]
    header, *rows = rows_of(folder / "confusion.csv")
    assert header[1:] == [*record["confusion"]["names"], "background"] == [row[0] for row in rows]
    assert [[int(value) for value in row[1:]] for row in rows] == record["confusion"]["matrix"]
    assert record["curves"]["recall"] == list(RECALLS)


def test_only_what_was_measured_is_written(scenes, tmp_path):
    measure(scenes, distorted(scenes), metrics=["ap"]).save(tmp_path / "ap")
    assert files_in(tmp_path / "ap") == ["predictions.json", "report.json"]


def test_without_an_error_there_are_no_worst_images(scenes, tmp_path):
    measure(scenes, perfect(scenes), metrics=["errors"]).save(tmp_path / "perfect")
    assert "worst.jpg" not in files_in(tmp_path / "perfect")


def test_the_worst_images_are_listed_with_their_errors(folder, scenes):
    header, *rows = rows_of(folder / "worst.csv")
    kinds = ["classification", "localisation", "both", "duplicate", "background", "missed"]
    assert header == ["file", "errors", "false", *kinds, "highest_score"]
    counts = np.array([[int(value) for value in row[1:9]] for row in rows])
    errors = json.loads((folder / "report.json").read_text())["errors"]
    assert counts[:, 2:].sum(0).tolist() == [errors["counts"][kind] for kind in kinds]
    assert (counts[:, 0] == counts[:, 2:].sum(1)).all()
    assert (counts[:, 1] == counts[:, 2:7].sum(1)).all()
    assert (np.diff(counts[:, 0]) <= 0).all()
    assert {row[0] for row in rows} <= {scenes.name_of(example) for example in scenes}
    assert all((row[2] == "0") == (row[9] == "") for row in rows)


def test_what_cannot_be_painted_is_reported_at_once_and_everything_else_is_there(scenes, tmp_path, monkeypatch, caplog):
    def fails(*_, **__):
        raise ValueError("x1 must be greater than or equal to x0")

    for name in ("curves_chart", "worst_images"):
        monkeypatch.setattr(f"condetr.evaluation.report_folder.{name}", fails)
    measure(scenes, distorted(scenes)).save(tmp_path / "new")
    (record,) = caplog.records
    message = "(x1 must be greater than or equal to x0)"
    assert record.getMessage() == f"not painted: pr.png {message}; worst.jpg {message}"
    assert {"report.json", "confusion.png", "errors.png", "worst.csv"} <= set(files_in(tmp_path / "new"))


def test_an_image_that_went_away_is_named_among_the_worst(labelled):
    dataset = labelled([(0, 10, 10, 30, 30)])
    found = measure(dataset, [detections(dataset, [])], metrics=["errors"]).found
    key = color_key((name, (0, 0, 0)) for name in ("hit", *KIND_COLORS))
    assert worst_images(dataset, found, threshold=0.5).width == key.width + 16


def test_nothing_is_overwritten(scenes, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="exists and is not an empty folder"):
        measure(scenes, perfect(scenes)).save(tmp_path)


def test_a_full_disk_is_named(scenes, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(StorageError, match=r"pr\.png: cannot be written: No space left on device"):
        measure(scenes, perfect(scenes)).save(tmp_path / "new")
