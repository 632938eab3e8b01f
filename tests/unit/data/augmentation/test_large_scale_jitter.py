import pytest
import torch

from condetr.data.augmentation.large_scale_jitter import GRAY, LargeScaleJitter
from condetr.images.sizes import Edges
from tests.unit.data.augmentation.samples import drawn_boxes, sample

SIZE = Edges(96, 200)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("masks", [False, True])
def test_the_frame_stays_and_objects_become_smaller_or_larger(scale, masks):
    """At whole multiples every pixel of an object has its gray, so that its place is known exactly."""
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        varied = LargeScaleJitter(SIZE, (scale, scale), min_visibility=1.0)(sample(masks=masks))
        assert varied["image"].shape[-2:] == varied["boxes"].canvas_size == (96, 128)
        for box, label, drawn in zip(
            varied["boxes"].tolist(), varied["labels"].tolist(), drawn_boxes(varied), strict=True
        ):
            # antialiasing blends the outermost pixels with their surroundings
            assert all(abs(edge - end) <= 1 for edge, end in zip(box, drawn, strict=True))
            width, height = [(40, 40), (30, 50)][label]
            assert (box[2] - box[0], box[3] - box[1]) == (width * scale, height * scale)
            seen.add((label, tuple(box)))
        for box, mask in zip(varied["boxes"].tolist(), varied.get("masks", ()), strict=False):
            rows, columns = mask.nonzero().unbind(1)
            assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == box
    assert len(seen) > 2 or scale == 1.0, "objects lie anywhere"


def test_smaller_images_are_padded_with_the_mean_color():
    torch.manual_seed(0)
    varied = LargeScaleJitter(SIZE, (0.5, 0.5))(sample(boxes=()))
    is_padding = (varied["image"] == torch.tensor(GRAY)[:, None, None]).all(0)
    assert int(is_padding.sum()) == 96 * 128 - 48 * 64


def test_scales_are_those_of_the_range():
    widths = []
    for seed in range(200):
        torch.manual_seed(seed)
        varied = LargeScaleJitter(SIZE, (0.1, 1.0))(sample(masks=False))
        widths.append(float(varied["boxes"][0, 2] - varied["boxes"][0, 0]) / 40)
    assert 0.09 < min(widths) < 0.15
    assert 0.95 < max(widths) <= 1.0
    assert 0.5 < sum(widths) / 200 < 0.6


def test_objects_that_the_crop_cuts_are_dropped_and_counted():
    slivers = 0
    for seed in range(60):
        torch.manual_seed(seed)
        slivers += LargeScaleJitter(None, (2.0, 2.0), min_visibility=0.5)(sample()).get("slivers", 0)
    assert slivers > 10
