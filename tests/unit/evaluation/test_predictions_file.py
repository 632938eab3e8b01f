import json

import pytest

from condetr.core.errors import DataError, StorageError
from condetr.evaluation.evaluate import evaluate_predictions
from condetr.evaluation.measure import measure
from condetr.evaluation.predictions_file import read_predictions, write_predictions
from tests.unit.evaluation.scored import distorted, perfect

ROW = {"image_id": 7, "category_id": 3, "bbox": [10, 10, 20, 20], "score": 0.9}


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "predictions.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_what_was_measured_can_be_measured_again(scenes, tmp_path):
    found = distorted(scenes)
    write_predictions(tmp_path / "predictions.json", scenes, found)
    assert evaluate_predictions(tmp_path / "predictions.json", scenes) == measure(scenes, found)


def test_ids_are_those_of_the_source(labelled, written):
    dataset = labelled([(0, 10, 10, 30, 30)], [(2, 0, 0, 50, 40)])
    rows = [ROW | {"image_id": 17, "category_id": 5, "bbox": [0, 0.5, 50, 40]}, ROW | {"segmentation": []}]
    first, second = read_predictions(written(rows), dataset).detections
    assert (first.names, first.boxes.tolist(), first.size) == (("cat",), [[10, 10, 30, 30]], (100, 100))
    assert (second.names, second.boxes.tolist()) == (("bird",), [[0, 0.5, 50, 40.5]])


def test_ids_of_the_source_are_written(labelled, tmp_path):
    dataset = labelled([(0, 10, 10, 30, 30)], [(2, 0, 0, 50, 40)])
    write_predictions(tmp_path / "predictions.json", dataset, perfect(dataset))
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert [(row["image_id"], row["category_id"]) for row in rows] == [(7, 3), (17, 5)]
    assert evaluate_predictions(tmp_path / "predictions.json", dataset).ap == 1


def test_images_may_have_nothing(labelled, written):
    assert [len(detection) for detection in read_predictions(written([]), labelled([], [])).detections] == [0, 0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image_id": 8}, "[1]: image_id 8 of type int is no image of the dataset"),
        ({"image_id": "7"}, "image_id '7' of type str is no image of the dataset; it has 7 of type int"),
        ({"image_id": 7.0}, "image_id 7.0 of type float is no image"),
        ({"image_id": True}, "image_id True of type bool is no image"),
        ({"image_id": [7]}, "image_id [7] of type list is no image"),
        ({"category_id": 0}, "category_id 0 of type int is no category of the dataset"),
        ({"bbox": [1, 2, 3]}, "bbox is [1, 2, 3], expected 4 finite numbers: x, y, width, height"),
        ({"bbox": None}, "bbox is None, expected 4"),
        ({"bbox": [1, 2, "3", 4]}, "expected 4 finite numbers"),
        ({"bbox": [1, 2, 10**400, 4]}, "expected 4 finite numbers"),
        ({"bbox": [1, 2, float("nan"), 4]}, "expected 4 finite numbers"),
        ({"bbox": [10, 10, -5, 5]}, "bbox [10, 10, -5, 5] has a negative width or height"),
        ({"score": "high"}, "score is 'high', expected a finite number"),
        ({"score": float("inf")}, "score is inf, expected a finite number"),
    ],
)
def test_a_bad_row_is_named(labelled, written, change, says):
    with pytest.raises(DataError) as caught:
        read_predictions(written([ROW, ROW | change]), labelled([(0, 10, 10, 30, 30)]))
    assert says in str(caught.value)
    assert "predictions.json" in str(caught.value)


@pytest.mark.parametrize("field", ["image_id", "category_id", "bbox", "score"])
def test_a_missing_field_is_named(labelled, written, field):
    row = {name: value for name, value in ROW.items() if name != field}
    with pytest.raises(DataError, match=rf"\[0\]: (has no )?{field}"):
        read_predictions(written([row]), labelled([]))


def test_all_bad_rows_are_counted(labelled, written):
    with pytest.raises(DataError, match=r"\[0\]: is 5, expected an object; and 2 more rows like it"):
        read_predictions(written([5, ROW | {"image_id": 1}, ROW, {}]), labelled([]))


@pytest.mark.parametrize(
    ("content", "says"),
    [('{"images": []}', "expected a list of image_id"), ("[", "not valid JSON"), ("[{} {}]", "JSON")],
)
def test_a_file_of_something_else(labelled, written, content, says):
    with pytest.raises(DataError, match=says):
        read_predictions(written(content), labelled([]))


def test_no_file(labelled, tmp_path):
    with pytest.raises(StorageError, match=r"none\.json: cannot be read"):
        read_predictions(tmp_path / "none.json", labelled([]))
