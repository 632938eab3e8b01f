from dataclasses import replace

import pytest
import torch

from condetr.checkpoints.pretrained_backbone import load_backbone
from condetr.core.errors import CheckpointError
from condetr.model.detector import ConditionalDetr
from condetr.model.resnet_names import RESNETS
from tests.scramble import scramble
from tests.unit.checkpoints.conftest import TINY

torchvision = pytest.importorskip("torchvision")
timm = pytest.importorskip("timm")


def detector_with(name: str) -> ConditionalDetr:
    return ConditionalDetr(replace(TINY, backbone=RESNETS[name])).eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@torch.no_grad()
def test_weights_of_torchvision(tmp_path, name):
    classifier = scramble(torchvision.models.get_model(name)).eval()
    torch.save(classifier.state_dict(), tmp_path / "x.pth")
    detector = detector_with(name)
    notes = load_backbone(detector, tmp_path / "x.pth")
    assert any("fc.bias, fc.weight" in note for note in notes)
    assert any("batch counts" in note for note in notes)
    body = torch.nn.Sequential(*list(classifier.children())[:-2])
    pixels = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(detector.body.backbone(pixels)[-1], body(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@torch.no_grad()
def test_weights_of_timm(tmp_path):
    classifier = scramble(timm.create_model("resnet50d")).eval()
    torch.save(classifier.state_dict(), tmp_path / "x.pth")
    detector = detector_with("resnet50d")
    load_backbone(detector, tmp_path / "x.pth")
    pixels = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(
        detector.body.backbone(pixels)[-1], classifier.forward_features(pixels), rtol=1e-4, atol=1e-4
    )


def test_weights_of_another_network(tmp_path):
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "x.pth")
    detector = detector_with("resnet34")
    before = detector.body.backbone.stem[0].conv.weight.clone()
    with pytest.raises(
        CheckpointError, match=r"x\.pth: does not hold the weights of this backbone; missing.*layer1\.2"
    ):
        load_backbone(detector, tmp_path / "x.pth")
    assert torch.equal(detector.body.backbone.stem[0].conv.weight, before)
