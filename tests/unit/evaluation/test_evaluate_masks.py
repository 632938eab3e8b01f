"""Masks and segments of a network are measured; what it sees is known."""

from functools import partial

import pytest
import torch

from condetr.core.distributed import ProcessShard
from condetr.core.errors import DataError, UsageError
from condetr.data.convert import convert
from condetr.evaluation.evaluate import evaluate_detector, evaluate_predictions, held_out
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from tests.painted import NAMES, SeesColors, painted
from tests.tiny import PREPROCESSING, tiny_detector

TWICE = Preprocessing(size=Edges(96, 200), do_normalize=False)


@pytest.fixture
def images(tmp_path):
    return painted(tmp_path / "painted")


@pytest.fixture
def panoptic(images, tmp_path):
    convert({"val": images}, tmp_path / "panoptic", "coco-panoptic")
    return held_out(tmp_path / "panoptic", task="panoptic")


def test_masks(images):
    report = evaluate_detector(SeesColors(), images, TWICE, NAMES, task="instance")
    assert report.ap > 0.9
    assert (report.masks.ap50, report.masks.ap75) == (1, 1)
    assert report.panoptic is report.pq is report.miou is None
    assert report.averages()["mask_ap50"] == report.to_dict()["masks"]["ap50"] == 1
    assert [len(run) for run in report.runs] == [len(part) for part in report.found]
    assert all(result.masks is None for result in report.found)


def test_masks_are_not_looked_at_for_boxes(images):
    report = evaluate_detector(SeesColors(), images, TWICE, NAMES)
    assert report.masks is report.runs is None
    assert "mask_ap" not in report.averages()


def test_segments(panoptic):
    assert panoptic.classes.stuff == (2,)
    report = evaluate_detector(SeesColors(), panoptic, TWICE, NAMES, task="panoptic")
    assert report.panoptic.rq == report.panoptic.things.rq == report.panoptic.stuff.rq == 1
    assert report.pq == report.miou == report.panoptic.sq == 1, "masks as fine as the input lose no pixel"
    assert list(report.panoptic.per_class) == list(NAMES.values())
    assert report.averages().keys() >= {"ap", "mask_ap", "pq", "sq", "rq", "miou"}
    assert report.to_dict()["panoptic"]["stuff"]["rq"] == 1


def test_only_what_is_asked_for(panoptic):
    report = evaluate_detector(SeesColors(), panoptic, TWICE, NAMES, task="panoptic", metrics=["ap"])
    assert report.panoptic is None
    assert report.masks.ap50 == 1


def test_a_higher_threshold_finds_fewer_segments(panoptic):
    """Green and blue are less sure than red."""
    surest = torch.tensor(7.5).sigmoid().item()
    report = evaluate_detector(SeesColors(), panoptic, TWICE, NAMES, task="panoptic", threshold=surest)
    assert {name: item.rq for name, item in report.panoptic.per_class.items()} == {"red": 1, "green": 0, "blue": 0}


def test_a_wrong_answer_costs(panoptic):
    confused = {0: "green", 1: "red", 2: "blue"}
    report = evaluate_detector(SeesColors(), panoptic, TWICE, confused, task="panoptic")
    assert report.masks.ap50 < 0.6
    assert (report.panoptic.things.pq, report.panoptic.stuff.rq) == (0, 1)


class _Kept(Exception):  # noqa: N818
    pass


def test_the_same_on_two_processes(panoptic):
    kept = []

    def keep(mine):
        kept.append(mine)
        raise _Kept

    evaluate = partial(evaluate_detector, SeesColors(), panoptic, TWICE, NAMES, task="panoptic")
    with pytest.raises(_Kept):
        evaluate(share=ProcessShard(1, 2, keep))
    assert evaluate(share=ProcessShard(0, 2, lambda mine: [mine, *kept])) == evaluate()


def test_an_image_that_cannot_be_read_is_in_no_number(panoptic):
    panoptic[1].path.write_bytes(panoptic[1].path.read_bytes()[:60])
    report = evaluate_detector(SeesColors(), panoptic, TWICE, NAMES, task="panoptic")
    assert (len(report.failures), len(report.runs), report.masks.ap50, report.panoptic.rq) == (1, 4, 1, 1)


def test_what_was_found_can_be_measured_again(images, tmp_path):
    report = evaluate_detector(SeesColors(), images, TWICE, NAMES, task="instance", metrics=["ap"])
    report.save(tmp_path / "report")
    again = evaluate_predictions(tmp_path / "report/predictions.json", images, metrics=["ap"], masks=True)
    assert again.masks == report.masks


def test_tables(panoptic, tmp_path):
    evaluate_detector(SeesColors(), panoptic, TWICE, NAMES, task="panoptic").save(tmp_path / "report")
    head, *rows = (tmp_path / "report/panoptic.csv").read_text().splitlines()
    assert head == "class,pq,sq,rq,segments,iou"
    assert [row.split(",")[0] for row in rows] == list(NAMES.values())


def test_what_cannot_be_measured(images, tmp_path):
    with pytest.raises(UsageError, match="pq and miou need segments"):
        evaluate_detector(SeesColors(), images, TWICE, NAMES, task="instance", metrics=["pq"])
    with pytest.raises(UsageError, match="the model has no mask head"):
        evaluate_detector(tiny_detector(), images, PREPROCESSING, NAMES, task="instance")
    convert({"val": images}, tmp_path / "boxes", "voc")
    with pytest.raises(DataError, match="not panoptic"):
        held_out(tmp_path / "boxes", task="panoptic")
    with pytest.raises(UsageError, match="for boxes only"):
        held_out(tmp_path / "boxes", task="instance")
