import pytest
import torch
from torchvision.tv_tensors import Mask

from condetr.data.augmentation.cropping import RandomCrop, Window, cropped
from condetr.images.sizes import Exactly
from tests.unit.data.augmentation.samples import drawn_boxes, sample

BOX = ((10, 20, 50, 60),)  # 40 x 40


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize(("left", "is_kept"), [(39, True), (40, True), (41, False), (49, False), (50, False)])
def test_an_object_with_less_than_a_quarter_left_is_dropped_and_counted(masks, left, is_kept):
    varied = cropped(sample(boxes=BOX, masks=masks), Window(0, left, 96, 70), 0.25)
    assert len(varied["boxes"]) == len(varied["labels"]) == is_kept
    assert varied["slivers"] == (not is_kept and left < 50), "what lies outside is no sliver"
    if is_kept:
        assert varied["boxes"].tolist() == drawn_boxes(varied)
    if masks:
        assert varied["masks"].shape == (is_kept, 96, 70)


def test_the_mask_decides_where_there_is_one():
    """Of the box a half is left, of the mask a tenth."""
    before = sample(boxes=BOX)
    mask = torch.zeros(1, 96, 128, dtype=torch.bool)
    mask[0, 20:60, 10:14] = True
    mask[0, 20:24, 14:50] = True
    before["masks"] = Mask(mask)
    window = Window(0, 30, 96, 70)
    assert len(cropped(before, window, 0.25)["labels"]) == 1
    before["masks"] = Mask(mask & (torch.arange(128) < 33))
    dropped = cropped(before, window, 0.25)
    assert (len(dropped["labels"]), len(dropped["masks"]), dropped["slivers"]) == (0, 0, 1)


def test_a_share_of_zero_keeps_every_sliver():
    varied = cropped(sample(boxes=BOX), Window(0, 49, 96, 70), 0.0)
    assert varied["boxes"].tolist() == [[0, 20, 1, 60]]
    assert "slivers" not in varied


def test_slivers_of_several_crops_add_up():
    once = cropped(sample(), Window(0, 49, 96, 79), 0.25)
    twice = cropped(once, Window(0, 65, 96, 14), 0.25)
    assert (once["slivers"], twice["slivers"]) == (1, 2)


def test_a_whole_object_is_whole_wherever_it_lies():
    for left in torch.linspace(0, 0.999, 50).tolist():
        before = sample()
        before["boxes"].as_subclass(torch.Tensor).add_(torch.tensor([left, left / 3, left, left / 3]))
        assert len(cropped(before, Window(0, 7, 96, 121), 1.0)["labels"]) == 2


def test_more_tries_cut_fewer_objects():
    def whole_and_cut(tries):
        whole = cut = 0
        for seed in range(60):
            torch.manual_seed(seed)
            varied = RandomCrop(Exactly(96, 128), (0.5, 0.7), tries=tries)(sample())
            areas = (varied["boxes"][:, 2:] - varied["boxes"][:, :2]).prod(1)
            whole += int((areas >= torch.tensor([1600.0, 1500.0])).sum())
            cut += int(((areas > 0) & (areas < torch.tensor([1600.0, 1500.0]))).sum())
        return whole, cut

    (whole_once, cut_once), (whole_often, cut_often) = whole_and_cut(1), whole_and_cut(10)
    assert cut_often < cut_once / 2
    assert whole_often > whole_once


def test_a_window_with_an_object_is_preferred_to_one_without():
    small = ((60, 44, 68, 52),)
    for seed in range(30):
        torch.manual_seed(seed)
        varied = RandomCrop(Exactly(96, 128), (0.5, 0.5), tries=30)(sample(boxes=small, masks=False))
        assert varied["boxes"].tolist() == drawn_boxes(varied)
        assert (varied["boxes"][0, 2:] - varied["boxes"][0, :2]).tolist() == [8, 8]
