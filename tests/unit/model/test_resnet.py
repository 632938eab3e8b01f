"""Our ResNet computes what timm's and torchvision's of the same name do."""

from dataclasses import replace

import pytest
import timm
import torch
import torchvision

from condetr.core.errors import SettingsError
from condetr.model.backbone import build_backbone, early_layers
from condetr.model.config import ResNetDescription, TimmDescription
from condetr.model.resnet import ResNet
from condetr.model.resnet_names import RESNETS
from tests.scramble import scramble


def of_timm(name: str, **options) -> torch.nn.Module:
    """With the norms' statistics and all weights scrambled; made without the time of an initialization."""
    with torch.device("meta"):
        network = timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4), **options)
    return scramble(network.to_empty(device="cpu")).eval()


def empty(description: ResNetDescription) -> ResNet:
    with torch.device("meta"):
        network = ResNet(description)
    return network.to_empty(device="cpu")


def with_weights_of(ours: ResNet, theirs: torch.nn.Module) -> ResNet:
    """Both list convolution, norm, ..., shortcut block by block, so position tells which is which."""
    source = {k: v for k, v in theirs.state_dict().items() if "num_batches" not in k and not k.startswith("fc.")}
    target = ours.state_dict()
    assert len(source) == len(target)
    ours.load_state_dict(dict(zip(target, source.values(), strict=True)))
    return ours.eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in RESNETS if sum(RESNETS[name].depths) <= sum(RESNETS["resnet50"].depths)]
)
def test_equals_timm(name):
    theirs = of_timm(name)
    ours = with_weights_of(empty(RESNETS[name]), theirs)
    pixels = torch.randn(2, 3, 70, 101)
    with torch.no_grad():
        for mine, expected in zip(ours(pixels), theirs(pixels), strict=True):
            torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet50d"])
@pytest.mark.parametrize("stride", [8, 16])
def test_dilates_as_timm(name, stride):
    theirs = of_timm(name, output_stride=stride)
    ours = with_weights_of(empty(replace(RESNETS[name], output_stride=stride)), theirs)
    pixels = torch.randn(1, 3, 75, 64)
    with torch.no_grad():
        maps, expected = ours(pixels), theirs(pixels)
    assert maps[-1].shape[-2:] == (-(-75 // stride), 64 // stride)
    torch.testing.assert_close(maps[-1], expected[-1], rtol=1e-4, atol=1e-4 * float(expected[-1].abs().max()))


def test_equals_torchvision():
    theirs = scramble(torchvision.models.resnet34()).eval()
    ours = with_weights_of(ResNet(RESNETS["resnet34"]), theirs)
    pixels = torch.randn(1, 3, 64, 96)
    trunk = torch.nn.Sequential(*list(theirs.children())[:-2])
    with torch.no_grad():
        expected = trunk(pixels)
        torch.testing.assert_close(ours(pixels)[-1], expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["resnet18", "resnet101", "resnet101c", "resnet101d", "resnet152", "resnet200d", "wide_resnet101_2"]
)
def test_has_the_shapes_of_timm(name):
    with torch.device("meta"):
        ours, theirs = ResNet(RESNETS[name]), timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4))
    expected = [v.shape for k, v in theirs.state_dict().items() if "num_batches" not in k]
    assert [v.shape for v in ours.state_dict().values()] == expected


def test_any_number_of_colors_and_widths():
    description = ResNetDescription(
        block="basic", depths=(1, 1, 1, 1), widths=(8, 12, 20, 28), stem_widths=(6,), in_channels=5
    )
    maps = ResNet(description)(torch.randn(1, 5, 33, 65))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 9, 17), (12, 5, 9), (20, 3, 5), (28, 2, 3)]


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (31, 33)])
def test_cells_are_pixels_over_stride_rounded_up(size):
    backbone = ResNet(ResNetDescription(depths=(1, 1, 1, 1), widths=(8, 8, 8, 8), stem_widths=(4,)))
    cells = backbone(torch.randn(1, 3, *size))[-1].shape[-2:]
    assert cells == tuple(-(-side // backbone.stride) for side in size)


def test_norms_never_learn():
    backbone = ResNet(RESNETS["resnet18"]).train()
    before = {k: v.clone() for k, v in backbone.named_buffers()}
    backbone(torch.randn(2, 3, 64, 64))
    assert before
    assert all(torch.equal(v, before[k]) for k, v in backbone.named_buffers())
    assert all("norm" not in name for name, _ in backbone.named_parameters())


def test_early_layers_are_the_stem_and_the_first_stage():
    names = early_layers(ResNet(RESNETS["resnet18"]))
    assert {name.split(".")[0] + "." + name.split(".")[1] for name in names} == {"stem.0", "stages.0"}


def test_another_backbone_of_timm():
    backbone = build_backbone(TimmDescription(name="mobilenetv3_small_050", out_indices=(1, 2, 3, 4))).eval()
    pixels = torch.randn(1, 3, 64, 96)
    maps = backbone(pixels)
    assert [m.shape[1] for m in maps] == list(backbone.widths)
    assert maps[-1].shape[-2:] == (64 // backbone.stride, 96 // backbone.stride)


@pytest.mark.parametrize("name", ["no_such_net", "hf-hub:attacker/evil", "../evil.py"])
def test_a_name_that_timm_does_not_know_is_refused(name):
    with pytest.raises(SettingsError, match="timm has no architecture"):
        build_backbone(TimmDescription(name=name))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"depths": (1, 1)}, "2 depths and 4 widths"),
        ({"widths": (8, 0, 8, 8)}, "widths"),
        ({"stem_widths": (8, 8)}, "stem_widths: has 2 entries"),
        ({"output_stride": 4}, "output_stride"),
        ({"activation": "sine"}, "activation"),
        ({"block": "dense"}, "block"),
    ],
)
def test_an_impossible_description_is_named(wrong, says):
    with pytest.raises(SettingsError, match=says):
        ResNetDescription(**wrong)


def test_one_network_has_one_description():
    plain = {"depths": (1, 1), "widths": (16, 24), "stem_widths": (8,)}
    for fields in ({"output_stride": 8}, {"output_stride": 32}, {"inner_widths": (4, 6)}):
        assert ResNetDescription(**plain, **fields) == ResNetDescription(**plain)
    assert ResNetDescription(**plain, output_stride=32).stride == 8  # no stage strides more than the network has
    assert ResNetDescription(output_stride=16) != ResNetDescription(output_stride=32) == ResNetDescription()
