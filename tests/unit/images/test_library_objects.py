"""Detections in pandas and supervision themselves, and in a stand-in for FiftyOne, which starts a database."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from condetr.core.errors import MissingExtraError
from condetr.images.detection import Moment
from condetr.images.detections import Detections

SIZE = (40, 80)


def found(count=2, **changes):
    boxes = torch.tensor([[10.0, 20.0, 50.0, 40.0], [0.25, 0.5, 0.375, 0.75]])[:count]
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[0, 25:40, 10:30] = True
    fields = {"scores": torch.tensor([0.75, 0.5])[:count], "labels": torch.tensor([17, 3])[:count]}
    values = {"boxes": boxes, "names": ("cat", "dog")[:count], "size": SIZE, "source": "a.jpg", "masks": masks[:count]}
    return Detections(**(values | fields | changes))


def test_a_data_frame_has_a_row_for_each_detection():
    frame = found().to_dataframe()
    assert list(frame) == ["source", "label", "name", "score", "x1", "y1", "x2", "y2"]
    assert frame.loc[0].to_list() == ["a.jpg", 17, "cat", 0.75, 10, 20, 50, 40]
    assert frame.loc[1, ["name", "x1", "y2"]].to_list() == ["dog", 0.25, 0.75]
    video = found(tracks=(4, None), moment=Moment(7, 0.25)).to_dataframe()
    assert list(video)[8:] == ["track", "frame", "seconds"]
    assert video.loc[0].to_list()[8:] == [4, 7, 0.25]


def test_an_empty_data_frame_has_the_same_types():
    one, empty = found(1).to_dataframe(), found(0).to_dataframe()
    assert len(empty) == 0
    numbers = ["label", "score", "x1", "y1", "x2", "y2"]
    assert empty.dtypes[numbers].to_list() == one.dtypes[numbers].to_list()


def test_supervision_itself():
    supervision = pytest.importorskip("supervision")
    theirs = found(tracks=(4, None)).to_supervision()
    assert isinstance(theirs, supervision.Detections)
    assert theirs.xyxy.tolist() == found().boxes.tolist()
    assert theirs[theirs.confidence > 0.6].data["class_name"] == ["cat"]
    assert theirs.mask.sum(axis=(1, 2)).tolist() == [300, 0]
    assert theirs.tracker_id.tolist() == [4, -1]
    assert len(found(0).to_supervision()) == 0


def test_fiftyone_has_fractions_and_masks_inside_their_boxes(monkeypatch):
    """Fields as of fiftyone 1.22: bounding_box is [x, y, width, height] in [0, 1], mask a 2D array inside the box."""
    stand_in = SimpleNamespace(Detection=lambda **fields: fields, Detections=lambda detections: detections)
    monkeypatch.setitem(sys.modules, "fiftyone", stand_in)
    cat, dog = found(tracks=(4, None)).to_fiftyone()
    assert (cat["label"], cat["confidence"], cat["index"]) == ("cat", 0.75, 4)
    assert cat["bounding_box"] == [0.125, 0.5, 0.5, 0.5]
    expected = np.zeros((20, 40), dtype=bool)
    expected[5:, :20] = True
    assert np.array_equal(cat["mask"], expected)
    assert dog["mask"].shape == (1, 1)  # of a box that is smaller than a pixel
    assert dog.keys() == {"label", "confidence", "bounding_box", "mask"}
    assert found(masks=None).to_fiftyone()[0].keys() == {"label", "confidence", "bounding_box"}
    segments = torch.zeros(SIZE, dtype=torch.int32)
    segments[20:40, 10:50] = 1
    assert found(masks=None, segments=segments).to_fiftyone()[0]["mask"].all()
    assert found(0).to_fiftyone() == []


@pytest.mark.parametrize(
    ("library", "method", "extra"),
    [
        ("pandas", "to_dataframe", "pandas"),
        ("supervision", "to_supervision", "video"),
        ("fiftyone", "to_fiftyone", "fiftyone"),
    ],
)
def test_each_is_an_extra(monkeypatch, library, method, extra):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=f"needs {library}") as caught:
        getattr(found(), method)()
    assert f"condetr[{extra}]" in caught.value.hint
