import pytest

from condetr.data.checks.check import read_leniently
from condetr.data.checks.problems import Outcome
from condetr.data.discovery.formats import read_splits
from tests.unit.data.layouts import BOX, LAYOUTS, SPLITS


def read(path):
    """What a data set says, whatever its path is called."""
    splits = read_splits(path)
    counts = {reason.code: count for reason, count in read_leniently(path)[1].counts.items()}
    found = {
        split: [(dataset.name_of(example), example.size, example.objects, example.crowds) for example in dataset]
        for split, dataset in splits.items()
    }
    prints = {split: dataset.fingerprint() for split, dataset in splits.items()}
    return found, prints, splits[next(iter(splits))].classes, counts


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_layout_is_read_alike_by_every_form_of_its_path(tmp_path, monkeypatch, layout):
    target = layout(tmp_path / "some set")
    expected = read(target)
    if layout.__name__ != "coco_panoptic":
        objects = [item for dataset in expected[0].values() for _, _, some, _ in dataset for item in some]
        assert {labeled.box for labeled in objects} == {BOX}
        assert [labeled.label for labeled in objects] == [i % 2 for i in range(len(objects))]
        assert {len(dataset) for dataset in expected[0].values()} == {2}
        assert set(expected[0]) in ({"all"}, set(SPLITS))
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "some set")
    inside = target.relative_to(tmp_path / "some set")
    monkeypatch.chdir(tmp_path)
    assert read(target.relative_to(tmp_path)) == expected
    assert read(str(link / inside)) == expected
    assert read(f"some set/../link/{inside}") == expected
    monkeypatch.chdir(target if target.is_dir() else target.parent)
    assert read("." if target.is_dir() else target.name) == expected
    if target.is_dir():
        assert read(f"{target}/") == expected
        assert read("") == expected


def test_good_layouts_have_nothing_refused_or_left_out(tmp_path):
    for layout in LAYOUTS:
        _, report = read_leniently(layout(tmp_path / layout.__name__))
        assert not report.count_of(Outcome.REFUSED), (layout.__name__, str(report))
        assert not report.count_of(Outcome.LEFT_OUT), (layout.__name__, str(report))
