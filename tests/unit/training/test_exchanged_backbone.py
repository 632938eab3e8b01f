import pytest
import torch

from condetr.model.config import ResNetDescription
from condetr.training.exchanged_backbone import with_backbone
from tests.tiny import tiny_detector, tiny_segmenter

OTHER = ResNetDescription(block="basic", depths=(1, 1, 1), widths=(4, 8, 24), stem_widths=(4,))


@pytest.mark.parametrize("make", [tiny_detector, tiny_segmenter])
def test_the_transformer_and_the_heads_stay(make):
    before = make()
    after, (note,) = with_backbone(before, OTHER)
    assert type(after) is type(before)
    assert after.config.backbone == OTHER
    old, new = before.state_dict(), after.state_dict()
    fresh = {name for name in new if name not in old or not torch.equal(new[name], old[name])}
    assert "body.input_projection.weight" in fresh
    assert {name.partition(".")[0] for name in fresh} <= {"body", "mask_head"}
    assert all(name in note for name in fresh if not name.startswith("body.backbone."))
    assert not any(name.startswith(("body.encoder", "body.decoder", "head.")) for name in fresh)
    after(torch.rand(1, 3, 32, 48))
    assert before.config.backbone != OTHER


def test_of_equal_width_everything_else_stays():
    same_width = ResNetDescription(block="basic", depths=(2, 1), widths=(4, 16), stem_widths=(4,))
    _, notes = with_backbone(tiny_detector(), same_width)
    assert notes == ("another backbone; freshly initialized beside it: nothing",)
