import torch

from condetr.data.augmentation.turning import RandomQuarterTurns
from tests.unit.data.augmentation.samples import drawn_boxes, sample


def test_all_four_turns_come_equally_often_and_boxes_and_masks_turn_along():
    counts = {}
    for seed in range(200):
        torch.manual_seed(seed)
        varied = RandomQuarterTurns()(sample())
        turns = next(n for n in range(4) if torch.equal(varied["image"], sample()["image"].rot90(n, (-2, -1))))
        counts[turns] = counts.get(turns, 0) + 1
        assert varied["boxes"].tolist() == drawn_boxes(varied)
        assert varied["boxes"].canvas_size == varied["image"].shape[-2:] == varied["masks"].shape[-2:]
        assert torch.equal(varied["masks"], sample()["masks"].rot90(turns, (-2, -1)))
        assert varied["labels"].tolist() == [0, 1]
    assert sorted(counts) == [0, 1, 2, 3]
    assert min(counts.values()) > 30


def test_images_without_objects_turn_as_well():
    varied = RandomQuarterTurns()(sample(boxes=(), masks=False))
    assert varied["boxes"].shape == (0, 4)
