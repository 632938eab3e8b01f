import pytest

from condetr.core.errors import DataError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.discovery.formats import read_dataset
from tests.unit.data.conftest import good_content


def test_a_slice_is_a_dataset(coco):
    dataset = read_dataset(coco())
    assert [example.image_id for example in dataset[1:]] == [2, 3]
    assert dataset[1:].classes is dataset.classes
    assert dataset[-1].image_id == 3


def test_the_fingerprint_sees_labels_names_and_sizes(coco):
    first = read_dataset(coco()).fingerprint()
    assert read_dataset(coco()).fingerprint() == first
    for change in ({"bbox": [5, 5, 20, 21]}, {"category_id": 4}, {"iscrowd": 1}):
        content = good_content()
        content["annotations"][0].update(change)
        assert read_dataset(coco(content)).fingerprint() != first
    content = good_content()
    content["images"].pop()
    content["annotations"].pop()
    assert read_dataset(coco(content)).fingerprint() != first


def test_the_class_table_survives_storage():
    classes = Classes(("dog", "cat"), (4, 17))
    assert Classes.from_dict(classes.to_dict()) == classes
    with pytest.raises(DataError):
        Classes(("dog", "cat"), (4, 4))


def test_merged_reports_count_all_and_keep_the_first():
    reports = [DataReport(), DataReport()]
    for number, report in enumerate(reports):
        for i in range(15):
            report.add(ProblemKind.EMPTY_BOX, f"{number}-{i}", source="x")
    reports[0].merge(reports[1])
    assert reports[0].counts[ProblemKind.EMPTY_BOX] == 30
    assert len(reports[0].of(ProblemKind.EMPTY_BOX)) == 20
    assert "30 x a box without area (left out)" in reports[0].summary()


def test_hostile_values_are_shown_short_and_on_one_line():
    assert len(short_repr("x" * 10_000)) < 200
    assert len(short_repr([["x" * 1000] * 1000] * 1000)) < 2000
    assert "too long" in short_repr(10**5000)
    report = DataReport()
    report.add(ProblemKind.EMPTY_BOX, "a\x1b[31m\nb", source="s")
    assert "\x1b" not in str(report)
    assert len(str(report).splitlines()) == 2
