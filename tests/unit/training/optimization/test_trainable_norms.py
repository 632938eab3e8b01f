import pytest
import torch
from torch import nn

from condetr.model.backbone import build_backbone
from condetr.model.config import TimmDescription
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.training.optimization.trainable_norms import trainable_batch_norms
from tests.scramble import scramble
from tests.unit.training.networks import tiny_detector


def activating():
    pytest.importorskip("timm")
    return build_backbone(TimmDescription(name="test_byobnet", out_indices=(1, 2)))


@pytest.mark.parametrize("build", [lambda: tiny_detector().body.backbone, activating], ids=["resnet", "activating"])
def test_norms_live_with_what_they_had_and_keep_what_they_found(build):
    backbone = scramble(build())
    frozen = [norm for norm in backbone.modules() if isinstance(norm, FrozenBatchNorm)]
    pixels = torch.randn(2, 3, 32, 32)
    names, before = list(backbone.state_dict()), backbone(pixels)[-1]
    with trainable_batch_norms(backbone):
        assert not any(isinstance(norm, FrozenBatchNorm) for norm in backbone.modules())
        alive = [norm for norm in backbone.modules() if isinstance(norm, nn.BatchNorm2d)]
        assert [norm.running_mean.tolist() for norm in alive] == [norm.running_mean.tolist() for norm in frozen]
        backbone.eval()
        torch.testing.assert_close(backbone(pixels)[-1], before)  # the same numbers through another class
        backbone.train()
        backbone(pixels)[-1].square().mean().backward()
        assert len(alive) == len(frozen)
        for norm in alive:
            assert norm.weight.grad.abs().sum() > 0
            norm.weight.data.mul_(2)
        backbone.eval()
        expected = backbone(pixels)[-1]
    assert [norm for norm in backbone.modules() if isinstance(norm, FrozenBatchNorm)] == frozen
    assert list(backbone.state_dict()) == names
    torch.testing.assert_close(backbone(pixels)[-1], expected)
    assert not torch.allclose(expected, before)


def test_an_error_leaves_frozen_norms():
    backbone = tiny_detector().body.backbone
    with pytest.raises(ValueError, match="pixels"), trainable_batch_norms(backbone):
        raise ValueError("pixels")
    assert not any(isinstance(norm, nn.BatchNorm2d) for norm in backbone.modules())
