"""Pretrained weights by name: from the hub, from addresses, from their caches, and errors that say what to do."""

import sys
from types import SimpleNamespace

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub import errors
from safetensors.torch import save_file

from condetr.checkpoints import backbone_source
from condetr.checkpoints.pretrained_backbone import load_backbone
from condetr.core.errors import CheckpointError, MissingExtraError
from condetr.model.transformer import DetrTransformer
from tests.unit.checkpoints.conftest import TINY
from tests.unit.checkpoints.test_hub import hub_error
from tests.unit.checkpoints.test_pretrained_backbone import body_with


def test_weights_of_the_hub(tmp_path, monkeypatch):
    name, asked = "test_resnet", []
    classifier = timm.create_model(name)
    save_file(classifier.state_dict(), tmp_path / "model.safetensors")

    def download(repository, file, **_):
        asked.append((repository, file))
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    body = body_with(name)
    load_backbone(body, "imagenet")
    assert asked == [("timm/test_resnet.r160_in1k", "model.safetensors")]
    assert torch.equal(body.backbone.network.conv1[0].weight, classifier.conv1[0].weight)


def test_a_repository_with_one_file_only(monkeypatch, tmp_path):
    def download(repository, file, **_):
        if file == "model.safetensors":
            raise hub_error(errors.EntryNotFoundError)
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert backbone_source.downloaded("resnet50.tv_in1k") == tmp_path / "pytorch_model.bin"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (errors.LocalEntryNotFoundError, r"timm/resnet50\.a1_in1k: .*not in the cache.*\(connect, or download them"),
        (errors.OfflineModeIsEnabled, "not in the cache.*give the path of the file"),
        (errors.EntryNotFoundError, r"has none of model\.safetensors, pytorch_model\.bin"),
        (OSError, "cannot be fetched: error of the hub"),
    ],
)
def test_without_the_hub(monkeypatch, kind, says):
    def download(*_, **__):
        raise hub_error(kind)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(CheckpointError, match=says):
        backbone_source.downloaded("resnet50")


def test_weights_at_an_address_are_kept(monkeypatch, tmp_path):
    fetched = []

    def fetch(address, file, **_):
        fetched.append(address)
        torch.save({}, file)

    config = SimpleNamespace(hf_hub_id=None, url="https://example.org/w/net-1.pth", mean=(0.5,), std=(0.5,))
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda _: config)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    files = {backbone_source.downloaded("net") for _ in range(2)}
    assert files == {tmp_path / "checkpoints" / "net-1.pth"}
    assert fetched == ["https://example.org/w/net-1.pth"]

    config.url = "https://example.org/w/net.npz"
    with pytest.raises(CheckpointError, match=r"net: its weights are no file that condetr reads: net\.npz"):
        backbone_source.downloaded("net")

    def refuse(*_, **__):
        raise OSError("no route to host")

    config.url = "https://example.org/w/other.pth"
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(CheckpointError, match=r"cannot be fetched from .*other\.pth: no route to host \(connect"):
        backbone_source.downloaded("net")


def test_names_without_weights():
    with pytest.raises(CheckpointError, match=r"seresnet18: timm has no pretrained weights.*list_pretrained"):
        backbone_source.downloaded("seresnet18")
    with pytest.raises(CheckpointError, match="are for backbones with a name"):
        load_backbone(DetrTransformer(TINY), "imagenet")


def test_without_timm_a_resnet_has_those_of_torchvision(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda address, file, **_: torch.save({}, file))
    assert backbone_source.downloaded("resnet50").name == "resnet50-0676ba61.pth"
    assert backbone_source.statistics_of("resnet50").mean == (0.485, 0.456, 0.406)
    with pytest.raises(CheckpointError, match="resnet50d: torchvision has no pretrained weights"):
        backbone_source.downloaded("resnet50d")
    with pytest.raises(MissingExtraError, match=r"condetr\[timm\]"):
        backbone_source.downloaded("regnety_002")
