import json
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from condetr.data.checks.check import read_leniently
from condetr.data.classes import Classes
from condetr.data.columns.building import InexactError, columns_of
from condetr.data.columns.examples import ExampleColumns
from condetr.data.records import Annotated, Dataset, Example, Object
from condetr.data.stratified_split import divide
from condetr.evaluation.arrays import ground_truth_of, labeled_in
from condetr.training.input.repeat_factors import class_factors, image_factors
from tests.unit.data.columns.records import exact
from tests.unit.data.conftest import good_content
from tests.unit.data.layouts import LAYOUTS, SPLITS, voc, write

ONE = Object(1, (1.0, 2.0, 3.0, 4.0), 4.0)


def with_columns(dataset):
    return replace(dataset, examples=columns_of(dataset.examples))


def datasets_of(path, **options):
    return read_leniently(path, **options)[0].values()


@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_format_comes_back_from_columns_as_it_was_read(tmp_path, layout, masks):
    for dataset in datasets_of(layout(tmp_path / "set"), masks=masks):
        kept = with_columns(dataset)
        assert isinstance(dataset.examples, tuple)
        assert isinstance(kept.examples, ExampleColumns)
        assert exact(list(kept)) == exact(list(dataset))
        assert exact([kept[position] for position in range(len(kept))]) == exact(list(dataset))
        assert kept.fingerprint() == dataset.fingerprint()


def hard_content():
    """Crowds as run lengths, outlines of integers and floats, boxes that stick out, are empty or lie outside."""
    content = good_content()
    polygon = [[5, 5.5, 20, 5, 20, 20.25], [1, 1, 9, 1, 9, 9]]
    first, second, third, fourth, crowd = content["annotations"]
    first |= {"segmentation": polygon, "bbox": [0.1, 0.2, 0.3, 0.7]}
    second |= {"segmentation": [[1, 2, 30, 2, 30, 40]]}
    third |= {"segmentation": [[0.5, 0.5, 60.5, 0.5, 60.5, 90.5]], "bbox": [-3, -2, 80, 120]}
    fourth |= {"segmentation": "none"}
    crowd |= {"segmentation": {"size": [80, 80], "counts": [10, 20, 6370]}}
    outside = {"id": 6, "image_id": 2, "category_id": 9, "bbox": [900, 900, 5, 5], "area": 25, "iscrowd": 0}
    empty = {"id": 7, "image_id": 3, "category_id": 4, "bbox": [5, 5, 0, 5], "area": 3, "iscrowd": 1}
    content["annotations"] = [empty, first, outside, second, third, fourth, crowd]
    return content


@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
def test_crowds_lost_objects_and_outlines_come_back(coco, masks):
    (dataset,) = datasets_of(coco(hard_content()), masks=masks)
    assert any(example.lost for example in dataset)
    assert any(example.lost_crowds for example in dataset)
    assert any(example.crowds for example in dataset)
    assert any(labeled.annotated for example in dataset for labeled in example.objects)
    assert exact(list(with_columns(dataset))) == exact(list(dataset))


def test_marks_of_voc_come_back(tmp_path):
    root = voc(tmp_path)
    path = root / f"Annotations/{SPLITS['train'][0]}.xml"
    write(path, path.read_text().replace("<bndbox>", "<difficult>1</difficult><truncated>1</truncated><bndbox>"))
    dataset = next(iter(datasets_of(root)))
    assert dataset[0].objects[0].marks == ("truncated", "difficult")
    assert exact(list(with_columns(dataset))) == exact(list(dataset))


def test_parts_share_the_columns_and_count_from_both_ends(coco):
    (dataset,) = datasets_of(coco())
    kept = with_columns(dataset)
    part = kept.subset([2, 0], split="part")
    assert part.split == "part"
    assert part.columns.arrays is kept.columns.arrays
    assert exact(list(part)) == exact([dataset[2], dataset[0]])
    assert exact(list(part[-1:])) == exact([dataset[0]])
    assert exact(part[-1]) == exact(dataset[0])
    assert exact(kept.subset([-1, -3])[0]) == exact(dataset[2])
    for wrong in (2, -3):
        with pytest.raises(IndexError):
            part[wrong]
    with pytest.raises(IndexError):
        kept.subset([3])
    assert list(kept.subset([])) == []
    assert kept.subset([]).columns.objects().boxes.shape == (0, 4)


def test_columns_are_pickled_with_their_positions(coco):
    (dataset,) = datasets_of(coco())
    part = with_columns(dataset).subset([1])
    assert exact(list(pickle.loads(pickle.dumps(part)))) == exact([dataset[1]])


def test_counts_and_arrays_are_those_of_the_records(coco):
    (dataset,) = datasets_of(coco(hard_content()))
    for part in (dataset, dataset.subset([2, 0, 1]), dataset.subset([1])):
        for columns in (part.columns, with_columns(dataset).subset([dataset.examples.index(e) for e in part]).columns):
            assert columns.sizes.tolist() == [list(example.size) for example in part]
            assert columns.image_ids == [example.image_id for example in part]
            assert columns.paths == [bytes(example.path) for example in part]
            assert not columns.has_segments.any()
            for kind in ("objects", "crowds", "lost", "lost_crowds"):
                of_kind = [getattr(example, kind) for example in part]
                rows = [(number, labeled) for number, some in enumerate(of_kind) for labeled in some]
                found, stated = columns.objects(kind), columns.annotated(kind)
                assert columns.counts(kind).tolist() == [len(some) for some in of_kind]
                assert found.images.tolist() == [number for number, _ in rows]
                assert found.labels.tolist() == [labeled.label for _, labeled in rows]
                assert found.boxes.tolist() == [list(labeled.box) for _, labeled in rows]
                assert found.areas.tolist() == [labeled.area for _, labeled in rows]
                assert stated.orders.tolist() == [labeled.order for _, labeled in rows]
                assert stated.values.tolist() == [plain_annotated(labeled) for _, labeled in rows]


def plain_annotated(labeled):
    x1, y1, x2, y2 = labeled.box
    return list(labeled.annotated or (x1, y1, x2 - x1, y2 - y1, labeled.area))


def test_what_ap_compares_with_is_in_the_order_of_the_source(coco):
    (dataset,) = datasets_of(coco(hard_content()))
    truth = ground_truth_of(with_columns(dataset))
    rows = [(number, each) for number, example in enumerate(dataset) for each in labeled_in(example)]
    assert len(rows) == 7
    assert truth.images.tolist() == [number for number, _ in rows]
    assert truth.labels.tolist() == [each.object.label for _, each in rows]
    assert truth.crowd.tolist() == [each.crowd for _, each in rows]
    stated = [plain_annotated(each.object) for _, each in rows]
    assert np.column_stack((truth.boxes, truth.areas)).tolist() == stated


def random_dataset(images=60, seed=0):
    rng = np.random.default_rng(seed)
    objects = [
        tuple(replace(ONE, label=int(label)) for label in rng.zipf(1.6, rng.integers(0, 6)) % 9) for _ in range(images)
    ]
    examples = [Example(Path(f"/d/{number}.jpg"), (20, 20), number, some) for number, some in enumerate(objects)]
    return Dataset(tuple(examples), Classes.named("abcdefghi"), Path("/d"))


def test_repeat_factors_are_those_of_the_definition():
    dataset = random_dataset()
    images = Counter(label for example in dataset for label in {labeled.label for labeled in example.objects})
    expected = {label: max(1.0, (0.5 * len(dataset) / count) ** 0.5) for label, count in sorted(images.items())}
    assert class_factors(dataset, 0.5) == expected
    assert list(class_factors(dataset, 0.5)) == sorted(expected)
    each = [max((expected[labeled.label] for labeled in example.objects), default=1.0) for example in dataset]
    assert image_factors(with_columns(dataset), 0.5) == tuple(each)


def test_a_division_is_that_of_the_records():
    dataset = random_dataset()
    shares = {"train": 0.9, "val": 0.1}
    parts, kept = divide(dataset, shares), divide(with_columns(dataset), shares)
    assert {split: [e.image_id for e in part] for split, part in kept.items()} == {
        split: [e.image_id for e in part] for split, part in parts.items()
    }
    assert len(parts["val"]) == 6


def of_other_code(**changes):
    """An object whose fields have types that no reader gives, and run-time checks refuse."""
    labeled = replace(ONE)
    for name, value in changes.items():
        object.__setattr__(labeled, name, value)
    return labeled


@pytest.mark.parametrize(
    "changes",
    [
        {"box": (1, 2.0, 3.0, 4.0)},
        {"area": 4},
        {"area": np.float64(4)},
        {"annotated": Annotated(1, 2.0, 2.0, 2.0, 4.0)},
        {"label": 2**40},
        {"id": np.int64(3)},
        {"id": 2**70},
        {"segmentation": [(1.0, 2.0, 3.0)]},
        {"segmentation": {"counts": b"012"}},
    ],
    ids=lambda changes: "-".join(f"{name}-{type(value).__name__}" for name, value in changes.items()),
)
def test_what_would_not_come_back_exactly_is_refused(changes):
    with pytest.raises(InexactError):
        columns_of([Example(Path("a.jpg"), (9, 9), 1, (of_other_code(**changes),))])


def test_datasets_of_other_code_are_counted_all_the_same():
    labeled = of_other_code(box=(1, 2, 3, 4), area=4, id=np.int64(7), segmentation=object())
    columns = Dataset((Example(Path("a.jpg"), (9, 9), 1, (labeled,)),), Classes.named("ab"), Path()).columns
    assert columns.objects().boxes.tolist() == [[1, 2, 3, 4]]
    assert columns.arrays.ids.tolist() == [7]


def test_a_file_of_labels_may_hold_half_a_character(coco):
    content = good_content()
    content["annotations"][0]["id"] = "\ud800"
    (dataset,) = datasets_of(coco(json.dumps(content)))
    kept = with_columns(dataset)
    assert kept[0].objects[0].id == "\ud800"
    assert exact(list(kept)) == exact(list(dataset))
