import csv
import io
import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import DataError, MissingExtraError, StorageError, UsageError
from condetr.images.detection import Moment
from condetr.images.detections import Detections
from condetr.images.masks.rle import mask_of_rle
from tests.unit.images.images import SIZE, quarters

FIELDS = {
    "boxes": torch.tensor([[10.0, 20.0, 40.0, 60.0], [0.5, 0.25, 9.0, 8.0]]),
    "scores": torch.tensor([0.75, 0.5]),
    "labels": torch.tensor([17, 3]),
    "names": ("cat", "remote, control"),
    "size": SIZE,
    "source": "a.jpg",
}


def found(**changes):
    return Detections(**(FIELDS | changes))


def with_masks():
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[0, 20:60, 10:40] = True
    return found(masks=masks, segments=masks[0].int())


def test_detections_are_a_sequence():
    everything = found()
    assert len(everything) == 2
    assert everything[0] == next(iter(everything))
    assert everything[-1] == everything[1]
    assert everything[1].name == "remote, control"
    assert everything[0].box == (10, 20, 40, 60)
    with pytest.raises(IndexError):
        everything[2]


def test_parts_are_detections_again():
    part = with_masks()[1:]
    assert part.names == ("remote, control",)
    assert part.masks.shape == (1, *SIZE)
    assert part.segments.unique().tolist() == [0]
    assert part.source == "a.jpg"
    kept = with_masks().above(0.6)
    assert kept.labels.tolist() == [17]
    assert kept.segments.unique().tolist() == [0, 1]
    assert len(found().above(0.75)) == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": ("cat",)}, "1 names"),
        ({"scores": torch.ones(3)}, "3 scores"),
        ({"masks": torch.zeros(2, 3, 4, dtype=torch.bool)}, r"masks: is \(3, 4\)"),
        ({"segments": torch.zeros(3, 4, dtype=torch.int32)}, "segments"),
        ({"boxes": torch.tensor([[0, 0, 1, float("nan")]] * 2)}, "finite"),
        ({"boxes": torch.tensor([[5.0, 0, 1, 1]] * 2)}, "ends before it begins"),
    ],
)
def test_inconsistent_values_are_refused(changes, says):
    with pytest.raises(DataError, match=says):
        found(**changes)


def test_json_is_one_line_and_reversible():
    for result in (found(), with_masks(), found(source=None), found()[:0]):
        line = result.to_json()
        assert "\n" not in line
        again = Detections.from_dict(json.loads(line))
        assert again.to_dict() == result.to_dict()
        assert again.names == result.names


def test_json_of_a_frame_has_its_number_time_and_tracks():
    frame = found(moment=Moment(12, 0.48), tracks=(3, None))
    record = json.loads(frame.to_json())
    assert set(record) == {"source", "size", "detections", "frame", "seconds"}
    assert [row["track"] for row in record["detections"]] == [3, None]
    again = Detections.from_dict(record)
    assert (again.moment, again.tracks) == (frame.moment, frame.tracks)
    assert frame[1:].tracks == (None,)
    assert frame[1:].moment == frame.moment
    with pytest.raises(DataError, match="1 tracks; expected the same number"):
        found(tracks=(1,))


def test_json_keeps_file_names_that_are_not_utf8():
    name = os.fsdecode(b"caf\xe9 \xff.jpg")
    line = found(source=name).to_json()
    line.encode("ascii")
    assert os.fsencode(json.loads(line)["source"]) == b"caf\xe9 \xff.jpg"


@pytest.mark.parametrize("content", [{}, {"detections": [{}], "size": [1, 1]}, {"detections": [], "size": None}])
def test_json_that_is_not_a_record_of_detections_is_refused(content):
    with pytest.raises(DataError):
        Detections.from_dict(content)


def test_coco_results_have_width_and_height():
    assert found().to_coco(5) == [
        {"image_id": 5, "category_id": 17, "bbox": [10, 20, 30, 40], "score": 0.75},
        {"image_id": 5, "category_id": 3, "bbox": [0.5, 0.25, 8.5, 7.75], "score": 0.5},
    ]
    assert with_masks().to_coco(5)[0]["segmentation"]["size"] == list(SIZE)


def test_yolo_lines_are_relative():
    assert found().to_yolo().splitlines()[0] == "17 0.260417 0.625000 0.312500 0.625000"
    assert found().to_yolo(scores=True).splitlines()[0] == "17 0.260417 0.625000 0.312500 0.625000 0.750000"


def test_csv_rows_have_the_header_of_the_format(tmp_path):
    path = found().save(tmp_path / "a.csv")
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert rows[1] == dict(
        zip(rows[0], ("a.jpg", "3", "remote, control", "0.5", "0.5", "0.25", "9.0", "8.0"), strict=True)
    )
    assert found().to_csv_rows()[0] == ("a.jpg", 17, "cat", 0.75, 10, 20, 40, 60)


def test_supervision_gets_arrays(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(Detections=SimpleNamespace))
    theirs = with_masks().to_supervision()
    assert theirs.xyxy.tolist() == FIELDS["boxes"].tolist()
    assert theirs.class_id.tolist() == [17, 3]
    assert theirs.mask.shape == (2, *SIZE)
    assert theirs.data == {"class_name": list(FIELDS["names"])}
    segments = with_segments().to_supervision().mask
    assert segments.sum(axis=(1, 2)).tolist() == with_segments().segments.flatten().bincount()[1:].tolist()
    assert with_segments()[:0].to_supervision().mask is found().to_supervision().mask is None
    assert theirs.tracker_id is None
    assert found(tracks=(3, None)).to_supervision().tracker_id.tolist() == [3, -1]


def test_supervision_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r"condetr\[video\]"):
        found().to_supervision()


def test_drawing_uses_the_argument_else_the_kept_image_else_the_file(tmp_path):
    quarters().save(tmp_path / "a.png")
    painted = found(picture=quarters(), source=None).draw()
    assert painted.size == (96, 64)
    assert np.array_equal(painted, found(source=str(tmp_path / "a.png")).draw())
    assert np.array_equal(painted, found(source=None).draw(np.asarray(quarters())))
    with pytest.raises(UsageError, match="no image to draw on"):
        found(source=None).draw()
    with pytest.raises(DataError, match=r"\(5, 5\)"):
        found().draw(Image.new("RGB", (5, 5)))


@pytest.mark.parametrize("ending", [".jpg", ".JPEG", ".png", ".webp"])
def test_annotated_images_are_saved(tmp_path, ending):
    path = found(picture=quarters()).save(tmp_path / f"out{ending}")
    with Image.open(path) as saved:
        assert saved.size == (96, 64)


def test_text_is_saved_as_its_ending_says(tmp_path):
    assert found().save(tmp_path / "a.json").read_text() == found().to_json() + "\n"
    assert found().save(str(tmp_path / "a.jsonl")).read_text() == found().to_json() + "\n"
    assert found().save(tmp_path / "a.txt").read_text() == found().to_yolo()


def test_file_names_that_are_not_utf8_are_saved(tmp_path):
    path = found(source=os.fsdecode(b"\xff.jpg")).save(tmp_path / "a.csv")
    assert b"\xff.jpg" in path.read_bytes()


def test_saving_to_an_unknown_extension_or_missing_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"unknown extension '\.xyz', expected \.jpg"):
        found().save(tmp_path / "a.xyz")
    with pytest.raises(StorageError, match="cannot be written"):
        found().save(tmp_path / "missing" / "a.json")


def with_segments():
    """Three things; the third has two parts, the corner is nobody's."""
    plane = torch.zeros(SIZE, dtype=torch.int32)
    plane[:20], plane[20:40, :50], plane[40:, 5:10], plane[40:, 30:] = 1, 2, 3, 3
    return Detections(
        boxes=torch.zeros(3, 4), scores=torch.tensor([0.9, 0.8, 0.7]), labels=torch.tensor([4, 4, 9]),
        names=("cat", "cat", "sky"), size=SIZE, source="a.jpg", segments=plane,
    )  # fmt: skip


def test_segments_survive_json():
    original = with_segments()
    back = Detections.from_dict(json.loads(original.to_json()))
    assert torch.equal(back.segments, original.segments)
    assert back.masks is None
    assert back.to_dict() == original.to_dict()
    assert Detections.from_dict(with_masks().to_dict() | {"panoptic": False}).segments is None


def test_masks_survive_json():
    original = found(masks=with_masks().masks)
    back = Detections.from_dict(json.loads(original.to_json()))
    assert torch.equal(back.masks, original.masks)
    assert back.segments is None


def test_coco_panoptic_results():
    original = with_segments()
    image, entry = original.to_coco_panoptic(7, "7.png")
    assert (entry["image_id"], entry["file_name"]) == (7, "7.png")
    assert [row["category_id"] for row in entry["segments_info"]] == [4, 4, 9]
    pixels = torch.from_numpy(np.array(image)).long()
    numbers = pixels[..., 0] + 256 * pixels[..., 1] + 65536 * pixels[..., 2]
    for position, item in enumerate(entry["segments_info"], start=1):
        assert torch.equal(numbers == item["id"], original.segments == position)
    assert len({0, *(each["id"] for each in entry["segments_info"])}) == 4
    with pytest.raises(UsageError, match="there are no segments"):
        found().to_coco_panoptic(1, "1.png")


def test_coco_results_have_masks():
    rows = found(masks=with_masks().masks).to_coco(3)
    assert [mask_of_rle(row["segmentation"], SIZE).sum() for row in rows] == [40 * 30, 0]
    parts = with_segments().to_coco(3)
    assert sum(mask_of_rle(row["segmentation"], SIZE).sum() for row in parts) == (with_segments().segments > 0).sum()


def test_segments_are_painted_with_a_legend():
    height, width = SIZE
    plain = Image.new("RGB", (width, height), (128, 128, 128))
    painted = with_segments().draw(plain)
    assert painted.width == width
    assert painted.height > height
    pixels = np.asarray(painted)
    assert (pixels[10, 10] != pixels[30, 10]).any(), "two of a class have shades"
    assert (pixels[50, 7] == pixels[50, 40]).all(), "one in two parts has one color"
    assert (pixels[height - 1, 0] == 128).all(), "what is nobody's keeps its color"
