"""Whatever happens to an image happens to its boxes and masks, too."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.tv_tensors import BoundingBoxes, Image, Mask

from condetr.data.augmentation.presets import CROP_SIDES, PRESETS, augmentation_of
from condetr.data.augmentation.resizing import edge_of, scaled
from condetr.images.sizes import Edges, Exactly, Within

SIZES = st.sampled_from([Edges(64, 100), Edges(120, 160), Exactly(50, 90), Within(70, 110)])


@st.composite
def samples(draw):
    """Discs and rectangles, perhaps none, each with the box around it and a gray of its own; later ones on top."""
    height, width = draw(st.integers(40, 90)), draw(st.integers(40, 90))
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    masks = []
    for _ in range(draw(st.integers(0, 4))):
        side = draw(st.integers(6, 24))
        x, y = draw(st.integers(0, width - side)), draw(st.integers(0, height - side))
        inside = (rows >= y) & (rows < y + side) & (columns >= x) & (columns < x + side)
        if draw(st.booleans()):
            inside &= (rows + 0.5 - y - side / 2) ** 2 + (columns + 0.5 - x - side / 2) ** 2 <= side * side / 4
        masks.append(inside)
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    for number, inside in enumerate(masks):
        image[:, inside] = 60 * (number + 1)
    boxes = [[c.min(), r.min(), c.max() + 1, r.max() + 1] for r, c in (mask.nonzero().unbind(1) for mask in masks)]
    return {
        "image": Image(image),
        "boxes": BoundingBoxes(
            torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), format="XYXY", canvas_size=(height, width)
        ),
        "labels": torch.arange(len(masks)),
        "masks": Mask(torch.stack(masks) if masks else torch.zeros((0, height, width), dtype=torch.bool)),
    }


@settings(deadline=None)
@given(samples(), st.sampled_from(sorted(PRESETS)), SIZES, st.integers(0, 2**31))
def test_boxes_masks_labels_and_pixels_stay_together(sample, preset, size, seed):
    torch.manual_seed(seed)
    varied = augmentation_of(preset, size)(sample)
    height, width = varied["image"].shape[-2:]
    smallest_crop = edge_of(scaled(size, CROP_SIDES[0]))
    enlargement = max(height, width) / smallest_crop if PRESETS[preset].crop else 1.0
    assert len(varied["boxes"]) == len(varied["labels"]) == len(varied["masks"])
    assert varied["masks"].shape[1:] == (height, width)
    assert varied["masks"].dtype == torch.bool
    for box, label, mask in zip(varied["boxes"].tolist(), varied["labels"].tolist(), varied["masks"], strict=True):
        rows, columns = mask.as_subclass(torch.Tensor).nonzero().unbind(1)
        assert len(rows)  # all of these are large enough to stay
        # a pixel belongs where its center is, so that a mask ends within half of an enlarged pixel of its box
        slack = 0.5 * max(enlargement, height / sample["image"].shape[-2], width / sample["image"].shape[-1], 1) + 1
        assert columns.min() >= box[0] - slack
        assert rows.min() >= box[1] - slack
        assert columns.max() + 1 <= box[2] + slack
        assert rows.max() + 1 <= box[3] + slack
        if preset in ("none", "light"):  # nothing is cut off, so that box and mask have the same ends
            ends = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert all(abs(end - edge) <= slack for end, edge in zip(ends, box, strict=True))
        is_on_top = label == len(sample["labels"]) - 1
        inside = -torch.nn.functional.max_pool2d(-mask.as_subclass(torch.Tensor).float()[None], 5, 1, 2)[0] > 0
        if preset != "strong" and is_on_top and inside.sum() >= 10:  # no edges, colors as they were
            gray = varied["image"][0].as_subclass(torch.Tensor)[inside].float().median()
            assert abs(gray - 60 * (label + 1)) <= 20
