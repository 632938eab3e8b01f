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


TIMM = [of_timm, lambda: of_timm("tf_mobilenetv3_small_minimal_100"), lambda: of_timm("tf_efficientnet_lite0")]
BACKBONES = [resnet, lambda: resnet("basic"), *TIMM]


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


@pytest.mark.parametrize(("build", "share"), list(zip(BACKBONES, (0.7, 0.7, 0.7, 0.7, 0.55), strict=True)))
def test_less_is_kept_in_memory(build, share):
    plain, lean = build(), build()
    make_lean(lean)
    pixels = torch.randn(2, 3, 64, 64)
    assert kept_bytes(lean, pixels)[0] < share * kept_bytes(plain, pixels)[0]


@pytest.mark.parametrize("name", ["mobilenetv3_small_100", "densenet121", "regnety_002"])
def test_other_activations_and_norms_that_follow_no_convolution(name):
    plain = of_timm(name).double()
    lean = copy.deepcopy(plain)
    make_lean(lean)
    pixels = torch.randn(1, 3, 41, 56, dtype=torch.double)
    expected, maps = plain(pixels), lean(pixels)
    torch.testing.assert_close(maps, expected)
    for item in (maps, expected):
        item[-1].square().mean().backward()
    for mine, theirs in zip(lean.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


@pytest.mark.parametrize("build", TIMM)
def test_gradients_in_single_precision(build):
    """Other kernels than in double precision; the exact gradients are the measure."""
    lean = build()
    exact = copy.deepcopy(lean).double()
    make_lean(lean)
    pixels = torch.randn(2, 3, 97, 130)
    for network, images in ((lean, pixels), (exact, pixels.double())):
        network(images)[-1].square().mean().backward()
    for (name, mine), theirs in zip(lean.named_parameters(), exact.parameters(), strict=True):
        if theirs.grad is not None:
            error = (mine.grad - theirs.grad).abs().max() / theirs.grad.abs().max()
            assert error < 1e-4, name


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
