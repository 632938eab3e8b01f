import torch

from condetr.hf.models.inputs import padding_of
from tests.unit.hf.networks import detector, pixels


def test_a_mask_is_only_kept_where_there_is_padding():
    """The network is faster without, and attention kernels are others."""
    body = detector().model.network
    mask = torch.ones(2, 32, 48, dtype=torch.long)
    assert padding_of(None, pixels(), body) is None
    assert padding_of(mask, pixels(), body) is None
    mask[1, 31:] = 0
    assert torch.equal(padding_of(mask, pixels(), body), mask.bool())
