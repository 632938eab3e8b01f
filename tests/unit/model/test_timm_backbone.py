"""Networks of timm keep their norms when these are frozen, and know their stages."""

import pytest
import torch

from condetr.core.errors import SettingsError
from condetr.model.backbone import build_backbone, early_layers
from condetr.model.config import TimmDescription
from condetr.model.timm_backbone import used_stages
from condetr.model.timm_norms import FrozenBatchNormAct, without_idle_options
from tests.scramble import scramble

timm = pytest.importorskip("timm")

NETWORKS = {  # norms that activate, with epsilon 1e-3 and 1e-5; norms that only normalize; no batch norms
    "tf_mobilenetv3_small_minimal_100": (1, 2, 3, 4),
    "test_byobnet": (1, 2, 3, 4),
    "test_resnet": (1, 2, 3, 4),
    "test_convnext": (0, 1, 2, 3),
    "test_nfnet": (1, 2, 3, 4),
}


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_maps_are_those_of_timm(name):
    theirs = scramble(timm.create_model(name, features_only=True, out_indices=NETWORKS[name])).eval()
    ours = build_backbone(TimmDescription(name=name, out_indices=NETWORKS[name])).eval()
    ours.network.load_state_dict({key: t for key, t in theirs.state_dict().items() if "num_batches" not in key})
    pixels = torch.randn(2, 3, 64, 96)
    torch.testing.assert_close(ours(pixels), tuple(theirs(pixels)), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in ours.modules())


@pytest.mark.slow
def test_maps_of_networks_with_channels_last_are_turned():
    name, size = "swin_tiny_patch4_window7_224", {"in_channels": 3, "out_indices": (0, 1)}
    backbone = build_backbone(TimmDescription(name=name, **size)).eval()
    assert [tuple(each.shape) for each in backbone(torch.randn(1, 3, 224, 224))] == [(1, 96, 56, 56), (1, 192, 28, 28)]


def test_checkpoints_of_transformers_have_other_norms():
    name = "tf_mobilenetv3_small_minimal_100"
    peers = build_backbone(TimmDescription(name=name, norm_activations=False, norm_epsilon=1e-5))
    ours = build_backbone(TimmDescription(name=name))
    assert not any(isinstance(norm, FrozenBatchNormAct) for norm in peers.modules())
    assert sum(isinstance(norm, FrozenBatchNormAct) for norm in ours.modules()) > 20
    assert {norm.epsilon for norm in peers.modules() if hasattr(norm, "epsilon")} == {1e-5}
    assert {norm.epsilon for norm in ours.modules() if hasattr(norm, "epsilon")} == {1e-3}


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("test_convnext", {}, (False, 1e-5)),  # no batch norms
        ("test_resnet", {}, (False, 1e-5)),
        ("test_byobnet", {}, (True, None)),
        ("test_byobnet", {"norm_epsilon": 1e-5}, (True, None)),
        ("test_byobnet", {"norm_activations": False}, (False, 1e-5)),
        ("tf_mobilenetv3_small_minimal_100", {"norm_epsilon": 1e-5}, (True, 1e-5)),
        ("tf_mobilenetv3_small_minimal_100", {"norm_activations": False}, (False, None)),
    ],
)
def test_options_without_effect_have_one_value(name, options, expected):
    described = build_backbone(TimmDescription(name=name, out_indices=(0, 1), **options)).description
    assert (described.norm_activations, described.norm_epsilon) == expected


def test_norms_that_only_have_another_epsilon():
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(4, eps=1e-3))
    for activations in (True, False):
        described = without_idle_options(network, TimmDescription(name="x", norm_activations=activations))
        assert described == TimmDescription(name="x")
    peers = TimmDescription(name="x", norm_activations=False, norm_epsilon=1e-5)
    assert without_idle_options(network, peers) == peers


def reduction_of_frozen(name, indices):
    """The stride of the finest map that does not change with the parameters that are early."""
    backbone = build_backbone(TimmDescription(name=name, out_indices=indices)).eval()
    early = set(early_layers(backbone))
    assert early < {name for name, _ in backbone.named_parameters()}
    pixels = torch.randn(1, 3, 64, 64)
    depends = []
    for number, stride in enumerate(backbone.network.feature_info.reduction()):
        backbone.zero_grad()
        backbone(pixels)[number].square().sum().backward()
        used = {name for name, weight in backbone.named_parameters() if weight.grad is not None}
        depends.append((stride, used <= early))
    return [stride for stride, is_early in depends if is_early]


@pytest.mark.parametrize(
    ("name", "indices"),
    [
        ("test_resnet", (0, 1, 2, 3, 4)),
        ("test_efficientnet", (0, 1, 2, 3, 4)),
        ("mobilenetv3_small_050", (0, 1, 2, 3, 4)),
        ("test_byobnet", (0, 1, 2, 3, 4)),
        ("regnetx_002", (0, 1, 2, 3, 4)),
        ("test_convnext", (0, 1, 2, 3)),
    ],
)
def test_early_layers_end_with_the_first_stage_of_timm(name, indices):
    assert max(reduction_of_frozen(name, indices)) == 4


def test_early_layers_where_the_first_stage_is_not_used():
    backbone = build_backbone(TimmDescription(name="test_efficientnet", out_indices=(3,)))
    stages = {name.split(".")[2] for name in early_layers(backbone) if ".blocks." in name}
    assert stages == {"0", "1"}


def test_early_layers_where_timm_names_no_module():
    backbone = build_backbone(TimmDescription(name="hrnet_w18_small", out_indices=(1, 2)))
    assert early_layers(backbone) == ["network.conv1.weight"]


@pytest.mark.parametrize(
    ("strides", "used"),
    [
        ((2, 4, 8, 16, 32), (1, 2, 3, 4)),
        ((4, 8, 16, 32), (0, 1, 2, 3)),
        ((16, 16, 16), (2,)),
        ((8, 8, 16, 32, 64), (1, 2, 3)),
        ((64,), (0,)),
    ],
)
def test_stages_that_are_used(strides, used):
    assert used_stages([{"reduction": stride} for stride in strides]) == used


def test_stages_that_timm_does_not_have():
    with pytest.raises(SettingsError, match=r"timm cannot build 'test_convnext' with stages \(9,\)"):
        build_backbone(TimmDescription(name="test_convnext", out_indices=(9,)))


def test_blocks_behind_the_last_stage_are_left_out_and_change_nothing():
    name, options = "tf_mobilenetv3_small_minimal_100", {"out_indices": (1, 2)}
    theirs = scramble(timm.create_model(name, features_only=True, **options)).eval()
    ours = build_backbone(TimmDescription(name=name, **options)).eval()
    assert len(ours.network.blocks) == 2 < len(theirs.blocks)
    assert ours.stride == 8
    own = ours.network.state_dict().keys()
    ours.network.load_state_dict({key: t for key, t in theirs.state_dict().items() if key in own})
    pixels = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(pixels), tuple(theirs(pixels)), rtol=1e-5, atol=1e-5)


def test_an_image_does_not_depend_on_its_neighbors():
    backbone = scramble(build_backbone(TimmDescription(name="tf_mobilenetv3_small_minimal_100"))).eval()
    pixels = torch.randn(3, 3, 160, 160)  # more than fit into the cache
    together, alone = backbone(pixels), [backbone(image) for image in pixels.split(1)]
    for of_stage, each in zip(together, zip(*alone, strict=True), strict=True):
        assert torch.equal(of_stage, torch.cat(each))
    loss = sum(each.square().mean() for each in together)
    gradients = torch.autograd.grad(loss, list(backbone.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients)
