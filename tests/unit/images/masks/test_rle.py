import pytest
import torch

from condetr.images.masks.rle import mask_of_rle, rle_of_mask

MASK = torch.tensor([[0, 1, 1], [0, 1, 0]], dtype=torch.bool)  # column by column: 0 0 1 1 1 0


def test_a_list_of_counts_is_read():
    assert torch.equal(mask_of_rle({"size": [2, 3], "counts": [2, 3, 1]}, (2, 3)), MASK)


def test_text_is_read_and_written():
    assert rle_of_mask(MASK) == {"size": [2, 3], "counts": "231"}
    assert torch.equal(mask_of_rle({"size": [2, 3], "counts": b"231"}, (2, 3)), MASK)


@pytest.mark.parametrize("seed", range(20))
def test_text_is_the_same_as_of_cocos_tools(seed):
    coco = pytest.importorskip("pycocotools.mask")
    torch.manual_seed(seed)
    mask = torch.rand(37, 61) < seed / 19
    mask[:, 30:] = mask[:1, 30:]  # long runs too
    theirs = coco.encode(mask.numpy().astype("uint8", order="F"))["counts"].decode()
    assert rle_of_mask(mask)["counts"] == theirs
    assert torch.equal(mask_of_rle({"size": [37, 61], "counts": theirs}, (37, 61)), mask)


@pytest.mark.parametrize(
    ("encoded", "says"),
    [
        ({"size": [3, 2], "counts": [2, 3, 1]}, r"size \[3, 2\]"),
        ({"counts": [2, 3, 1]}, "size None"),
        ({"size": [2, 3], "counts": [0, 10_000_000, 5]}, "add up to 10000005"),
        ({"size": [2, 3], "counts": [2, 3]}, "add up to 5"),
        ({"size": [2, 3], "counts": [-5, 10, 1]}, "negative"),
        ({"size": [2, 3], "counts": [2.5, 3, 0.5]}, "whole numbers"),
        ({"size": [2, 3]}, "whole numbers"),
        ({"size": [2, 3], "counts": "~~~~\0zz"}, "invalid character .~. in compressed RLE counts"),
        ({"size": [2, 3], "counts": "ooooooooooo"}, "invalid character .o. in compressed RLE counts"),
        ({"size": [2, 3], "counts": "23o"}, "end inside"),
    ],
)
def test_inconsistent_values_are_refused(encoded, says):
    with pytest.raises(ValueError, match=says):
        mask_of_rle(encoded, (2, 3))
