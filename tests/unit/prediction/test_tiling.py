"""Small objects in large images, found by a detector that sees nothing small."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torch import nn

import condetr
from condetr.core.errors import UsageError
from condetr.core.records import Prediction
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.tiling import OVERLAP, TiledPredictor, corners_of
from tests.tiny import LABELS, tiny_segmenter

SEEN = 64  # pixels a side that the detector sees
FEWEST = 6  # pixels a side of what it finds there


class Blobs(nn.Module):
    """Boxes around all that is bright, and not small; its class is its brightness."""

    def forward(self, pixels, mask=None):
        logits, boxes = torch.full((len(pixels), 50, 3), -9.0), torch.full((len(pixels), 50, 4), 0.5)
        for image, plane in enumerate(pixels[:, 0].numpy()):
            numbered, _ = ndimage.label(plane > 0.2)
            for position, (rows, columns) in enumerate(ndimage.find_objects(numbered)):
                ends = rows.start, rows.stop, columns.start, columns.stop
                (top, bottom), (left, right) = (
                    np.divide(ends[number : number + 2], plane.shape[number // 2]) for number in (0, 2)
                )
                boxes[image, position] = torch.tensor(
                    [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
                )
                if min(rows.stop - rows.start, columns.stop - columns.start) >= FEWEST:
                    logits[image, position, int(plane[rows, columns].max() > 0.7)] = 2.0
        return Prediction(logits, boxes)


PREPROCESSING = Preprocessing(size=Edges(SEEN, SEEN), do_normalize=False)


def predictor(**options):
    return Predictor(Blobs(), PREPROCESSING, LABELS, device="cpu", **options)


def image_with(boxes, size=(512, 512), brightness=255):
    plane = np.zeros((*size, 3), np.uint8)
    for left, top, right, bottom in boxes:
        plane[top:bottom, left:right] = brightness
    return Image.fromarray(plane)


def found_in(result):
    return sorted(tuple(round(end) for end in box) for box in result.boxes.tolist())


SMALL = [(20, 20, 36, 36), (122, 100, 138, 116), (250, 400, 270, 416), (300, 30, 316, 52), (490, 490, 510, 510)]


@pytest.mark.parametrize("batch", [1, 4])
def test_small_objects_are_detected_once_at_their_place(batch):
    alone = predictor(batch=batch)
    assert len(alone.predict(image_with(SMALL))[0]) == 0, "too small in the whole image"
    (found,) = TiledPredictor(alone, 128).predict(image_with(SMALL))
    assert found.size == (512, 512)
    assert len(found) == len(SMALL)
    for box, expected in zip(found_in(found), sorted(SMALL), strict=True):
        assert np.abs(np.subtract(box, expected)).max() <= 2


def test_objects_cut_by_tiles_are_detected_whole():
    large = (40, 200, 440, 290)
    (found,) = TiledPredictor(predictor(), 128).predict(image_with([large, *SMALL[:2]]))
    assert len(found) == 3
    assert any(np.abs(np.subtract(box, large)).max() <= 8 for box in found_in(found))


def test_what_touches_the_image_s_own_edge_is_kept():
    corner = (0, 0, 16, 16)
    (found,) = TiledPredictor(predictor(), 128).predict(image_with([corner]))
    assert found_in(found) == [corner]


def test_one_view_never_suppresses_itself():
    """A detector without duplicates says two where there are two, as near as they may be."""
    boxes = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.51, 0.5, 0.4, 0.4]]).expand(1, 2, 4)

    class Two(nn.Module):
        def forward(self, pixels, mask=None):
            score = 2.0 if pixels.max() > 0.5 else -9.0
            return Prediction(torch.full((len(pixels), 2, 3), score), boxes.expand(len(pixels), 2, 4))

    tiles = TiledPredictor(Predictor(Two(), PREPROCESSING, LABELS, device="cpu"), 128)
    white = image_with([(0, 0, 200, 200)], size=(200, 200))
    assert len(tiles.predict(white)[0]) == 30, "five looks, two boxes of three classes each"


def test_other_classes_do_not_suppress():
    """One says it is a cat in the whole image, where it looks small, and a dog in a tile."""

    class Sized(Blobs):
        def forward(self, pixels, mask=None):
            logits, boxes = super().forward(pixels, mask)
            large = (boxes[:, :1, 2] > 0.4).long()
            return Prediction(logits.scatter(2, large[..., None], logits.amax(2, keepdim=True)[:, :1]), boxes)

    tiles = TiledPredictor(Predictor(Sized(), PREPROCESSING, LABELS, device="cpu"), 128)
    (found,) = tiles.predict(image_with([(10, 10, 70, 70)], size=(200, 200), brightness=100))
    assert sorted(found.names) == ["cat", "cat", "dog"][-len(found) :]
    assert set(found.names) == {"cat", "dog"}


def test_images_keep_their_order_and_failures_their_place(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    sources = [image_with(SMALL[:1]), str(tmp_path / "broken.png"), image_with(SMALL, size=(512, 600))]
    tiles = TiledPredictor(predictor(batch=2), (128, 120))
    first, broken, last = tiles.predict(sources, on_error="collect")
    assert (len(first), len(last)) == (1, len(SMALL))
    assert isinstance(broken, Failure)
    assert broken.source == str(tmp_path / "broken.png")
    assert last.picture is sources[2]
    with pytest.raises(condetr.CondetrError, match="broken"):
        tiles.predict(sources)


def test_an_image_of_the_size_of_a_tile_has_one_view():
    small = image_with([(10, 10, 40, 40)], size=(100, 90))
    (plain,), (tiled,) = predictor().predict(small), TiledPredictor(predictor(), 100).predict(small)
    assert torch.equal(plain.boxes, tiled.boxes)


def test_masks_are_moved_with_their_boxes():
    segmenter = tiny_segmenter()
    rng = np.random.default_rng(0)
    large = Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
    options = {"threshold": 0.3, "task": "instance", "device": "cpu"}
    alone = Predictor(segmenter, Preprocessing(size=Edges(48, 80)), LABELS, **options)
    (found,) = TiledPredictor(alone, 60).predict(large)
    (part,) = alone.predict(large.crop((60, 30, 120, 90)))
    assert found.masks.shape == (len(found), 90, 120)
    again = 0
    for box, mask in zip(part.boxes, part.masks, strict=True):
        same = (found.boxes - box - torch.tensor([60, 30, 60, 30])).abs().amax(1) < 1e-3
        for position in same.nonzero()[:, 0]:
            again += torch.equal(found.masks[position, 30:, 60:], mask)
    assert again > 0


def test_small_tiles_and_panoptic_segments_are_refused():
    with pytest.raises(UsageError, match="at least 32 pixels"):
        TiledPredictor(predictor(), 31)
    panoptic = Predictor(tiny_segmenter(), PREPROCESSING, LABELS, task="panoptic", device="cpu")
    with pytest.raises(UsageError, match="segments of tiles cannot be merged"):
        TiledPredictor(panoptic, 64)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(32, 900), st.integers(32, 900))
def test_tiles_cover_the_image_and_overlap(height, width, rows, columns):
    corners = corners_of((height, width), (rows, columns))
    if height <= rows and width <= columns:
        assert corners == []
        return
    for length, part, starts in (
        (height, rows, sorted({top for top, _ in corners})),
        (width, columns, sorted({left for _, left in corners})),
    ):
        assert starts[0] == 0
        assert starts[-1] == max(0, length - part)
        for one, after in pairwise(starts):
            assert one < after <= one + round(part * (1 - OVERLAP)) + 1
    assert len(corners) == len(set(corners))


def test_a_large_image_is_decoded_into_a_file_and_nothing_changes(tmp_path, monkeypatch):
    from condetr.images.decoding import decode

    image_with(SMALL).save(tmp_path / "large.png")
    (expected,) = TiledPredictor(predictor(), 128).predict(tmp_path / "large.png")
    monkeypatch.setattr(decode, "MAPPED_FROM", 1000)
    (found,) = TiledPredictor(predictor(), 128).predict(tmp_path / "large.png")
    assert len(found) == len(SMALL)
    assert torch.equal(found.boxes, expected.boxes)
    assert torch.equal(found.scores, expected.scores)
    assert found.draw().size == (512, 512)


def test_a_view_that_fails_fails_its_image_alone():
    class Delicate(Blobs):
        """Learned positions would refuse like this."""

        def forward(self, pixels, mask=None):
            if 0.3 < pixels.max() < 0.6:
                raise UsageError("is too large")
            return super().forward(pixels, mask)

    gray = image_with([(300, 300, 330, 330)], brightness=128)
    sources = [image_with(SMALL), gray, image_with(SMALL[:2])]
    first, failed, last = TiledPredictor(Predictor(Delicate(), PREPROCESSING, LABELS, device="cpu"), 128).predict(
        sources, on_error="collect"
    )
    assert (len(first), len(last)) == (len(SMALL), 2)
    assert isinstance(failed, Failure)


def test_masks_of_tiles_take_the_memory_of_their_objects():
    from condetr.prediction.tiling import _Patch

    mask = torch.zeros(500, 600, dtype=torch.bool)
    mask[10:20, 30:35] = True
    patch, empty = _Patch.of(mask, (100, 200)), _Patch.of(torch.zeros(5, 5, dtype=torch.bool), (0, 0))
    assert (patch.top, patch.left) == (110, 230)
    assert patch.pixels.untyped_storage().nbytes() == 50
    plane = torch.zeros(800, 900, dtype=torch.bool)
    patch.write(plane)
    empty.write(plane)
    assert plane.sum() == 50
    assert plane[110:120, 230:235].all()
