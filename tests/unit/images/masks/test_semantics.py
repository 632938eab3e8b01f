import pytest
import torch
from torch.nn.functional import interpolate

from condetr.core.errors import UsageError
from condetr.images.masks.semantics import semantics_of


@pytest.mark.parametrize("sizes", [None, [(40, 31), (9, 12)]])
def test_sums_over_queries_of_every_class(sizes):
    logits, masks = torch.randn(2, 5, 3) * 4, torch.randn(2, 5, 9, 12) * 4
    found = semantics_of(logits, masks, sizes, scores=True)
    for i, result in enumerate(found):
        planes = sum(logits[i, q].sigmoid()[:, None, None] * masks[i, q].sigmoid() for q in range(5))
        if sizes is not None:
            planes = interpolate(planes[None], size=sizes[i], mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(result.scores, planes)
        assert torch.equal(result.map, result.scores.argmax(0))
    assert torch.equal(semantics_of(logits, masks, sizes)[0].map, found[0].map)


def test_the_last_class_counts():
    logits = torch.full((1, 1, 3), -9.0)
    logits[..., 2] = 5.0
    assert semantics_of(logits, torch.ones(1, 1, 4, 4))[0].map.eq(2).all()


def test_one_size_an_image():
    with pytest.raises(UsageError):
        semantics_of(torch.zeros(1, 1, 3), torch.zeros(1, 1, 4, 4), [])
