import pytest

from condetr.core.errors import DataError, UsageError
from condetr.data.classes import Classes
from condetr.evaluation.class_mapping import match_classes
from tests.unit.evaluation.scored import detections

DATA = Classes(("cat", "dog"), (17, 18))


def test_by_name_whatever_the_order_and_ids():
    matched = match_classes(DATA, {5: "dog", 2: "cat"})
    assert (dict(matched.label_of), matched.notes) == ({2: 0, 5: 1}, ())


def test_further_classes_of_the_model_are_noted_but_for_unused_ids():
    matched = match_classes(DATA, {0: "N/A", 1: "cat", 2: "dog", 3: "bird"})
    assert dict(matched.label_of) == {1: 0, 2: 1}
    assert matched.notes == ("the model also has bird, which the dataset lacks; they are not scored",)


def test_other_classes_are_refused_with_both_lists():
    with pytest.raises(UsageError) as caught:
        match_classes(DATA, {0: "N/A", 1: "cat", 2: "hound"})
    message = str(caught.value)
    assert "the model lacks dog; the dataset has cat, dog; the model has cat, hound" in message
    assert "--map" in message
    assert caught.value.exit_status == 2


def test_long_lists_are_cut():
    with pytest.raises(UsageError, match="n29 and 70 more"):
        match_classes(DATA, {number: f"n{number}" for number in range(100)})


def test_a_map_names_one_class_several_or_none():
    known = {0: "feline", 1: "hound", 2: "poodle", 3: "car"}
    matched = match_classes(DATA, known, {"cat": "feline", "dog": ["hound", "poodle"]})
    assert dict(matched.label_of) == {0: 0, 1: 1, 2: 1}
    none = match_classes(DATA, {0: "cat"}, {"dog": []})
    assert dict(none.label_of) == {0: 0}
    assert none.notes == ("no class of the model is mapped to dog, which therefore has no detections",)


def test_equal_names_of_the_model_are_one_class():
    assert dict(match_classes(DATA, {0: "cat", 1: "dog", 2: "cat"}).label_of) == {0: 0, 1: 1, 2: 0}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"cow": "cat"}, "the dataset has no class 'cow'; it has cat, dog"),
        ({"dog": "hound"}, "the model has no class 'hound'; it has cat, dog"),
        ({"dog": "cat"}, "the model's 'cat' is mapped to both 'cat' and 'dog'"),
    ],
)
def test_a_map_that_does_not_fit(value, says):
    with pytest.raises(UsageError, match=says):
        match_classes(DATA, {0: "cat", 1: "dog"}, value)


def test_two_classes_of_one_name():
    with pytest.raises(DataError, match="two classes are called 'cat'"):
        match_classes(Classes(("cat", "cat"), (1, 2)), {0: "cat"})


def test_detections_get_the_labels_of_the_data(labelled):
    dataset = labelled([], names=("bird", "cat", "dog"))
    matched = match_classes(DATA, {0: "bird", 1: "cat", 2: "dog"})
    found = detections(dataset, [(2, 0.9, 0, 0, 1, 1), (0, 0.8, 0, 0, 2, 2), (1, 0.7, 0, 0, 3, 3)])
    translated = matched.translated(found)
    assert (translated.labels.tolist(), translated.names) == ([1, 0], ("dog", "cat"))
    assert translated.scores.tolist() == [0.9, 0.7]
    assert translated.boxes[:, 2].tolist() == [1, 3]
