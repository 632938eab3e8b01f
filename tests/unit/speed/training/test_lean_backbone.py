import copy

import pytest
import torch

from condetr.model.config import ResNetDescription, TimmDescription
from condetr.model.resnet import ResNet
from condetr.speed.training.lean_backbone import make_lean, undo_lean
from tests.scramble import scramble


def resnet(block="bottleneck"):
    shape = {"depths": (1, 2), "widths": (16, 32), "stem_widths": (4, 4, 8), "shortcut": "average", "output_stride": 8}
    return scramble(ResNet(ResNetDescription(block=block, **shape)))


def of_timm(name="resnet10t"):
    pytest.importorskip("timm")
    from condetr.model.timm_backbone import TimmBackbone

    return scramble(TimmBackbone(TimmDescription(name=name, out_indices=(1, 2))))


BACKBONES = [resnet, lambda: resnet("basic"), of_timm, lambda: of_timm("tf_mobilenetv3_small_minimal_100")]


def kept_bytes(network, pixels):
    saved = {}

    def note(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        answer = network(pixels)[-1]
    return sum(saved.values()), answer


@pytest.mark.parametrize("build", BACKBONES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maps_and_gradients_stay(build, layout):
    plain = build().double()
    lean = copy.deepcopy(plain)
    make_lean(lean)
    pixels = torch.randn(2, 3, 41, 56, dtype=torch.double).contiguous(memory_format=layout)
    expected, maps = plain(pixels), lean(pixels)
    torch.testing.assert_close(maps, expected)
    for item in (maps, expected):
        item[-1].square().mean().backward()
    for (name, mine), theirs in zip(lean.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(("build", "share"), list(zip(BACKBONES, (0.7, 0.7, 0.7, 0.8), strict=True)))
def test_less_is_kept_in_memory(build, share):
    plain, lean = build(), build()
    make_lean(lean)
    pixels = torch.randn(2, 3, 64, 64)
    assert kept_bytes(lean, pixels)[0] < share * kept_bytes(plain, pixels)[0]


def test_norms_loaded_later_count():
    lean, other = resnet(), scramble(resnet(), seed=9)
    make_lean(lean)
    lean.load_state_dict(other.state_dict())
    pixels = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(lean(pixels), other(pixels), rtol=1e-4, atol=1e-4)  # sums in another order


@pytest.mark.parametrize("build", BACKBONES)
def test_it_can_be_undone(build):
    network, pixels = build(), torch.randn(1, 3, 32, 32)
    before, names = network(pixels), list(network.state_dict())
    make_lean(network)
    assert list(network.state_dict()) == names
    undo_lean(network)
    assert all(torch.equal(after, then) for after, then in zip(network(pixels), before, strict=True))
    assert not any("forward" in vars(module) for module in network.modules())
