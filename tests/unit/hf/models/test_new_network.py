"""Models that are constructed begin with pretrained backbones where that is asked for, and never silently without."""

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub import errors
from safetensors.torch import save_file

from condetr.checkpoints.loading import load
from condetr.core.errors import CheckpointError
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.model.timm_norms import FrozenBatchNormAct
from tests.scramble import scramble
from tests.unit.checkpoints.test_hub import hub_error
from tests.unit.hf.networks import config

NAME = "tf_mobilenetv3_small_minimal_100"
DESCRIBED = {"model_type": "timm_backbone", "backbone": NAME, "out_indices": [1, 2]}


@pytest.fixture
def published(monkeypatch, tmp_path):
    """A classifier whose weights the hub has for every name."""
    classifier, asked = scramble(timm.create_model(NAME)), []
    save_file(classifier.state_dict(), tmp_path / "model.safetensors")

    def download(repository, file, **_):
        asked.append(repository)
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return classifier, asked


@pytest.mark.parametrize(
    "asking",
    [
        {"backbone_config": DESCRIBED, "use_pretrained_backbone": True},
        {"backbone_config": DESCRIBED | {"use_pretrained_backbone": True}, "use_timm_backbone": True},
    ],
    ids=["beside", "inside"],
)
@pytest.mark.parametrize("kind", [ConditionalDetrModel, ConditionalDetrForObjectDetection])
def test_pretrained_backbones_are_loaded(published, caplog, kind, asking):
    classifier, asked = published
    model = kind(config(**asking))
    assert asked == [f"timm/{NAME}.in1k"]
    expected = classifier.blocks[0][0].bn1.running_var
    (held,) = [each for name, each in model.named_buffers() if name.endswith("blocks.0.0.bn1.running_var")]
    assert torch.equal(held, expected)
    assert "image_mean=(0.5, 0.5, 0.5) and image_std=(0.5, 0.5, 0.5)" in caplog.text


def test_stored_models_need_no_other_weights(published, tmp_path):
    _, asked = published
    model = ConditionalDetrForObjectDetection(config(backbone_config=DESCRIBED))
    assert not asked
    model.save_pretrained(tmp_path / "model")
    ConditionalDetrForObjectDetection.from_pretrained(tmp_path / "model", use_pretrained_backbone=True)
    assert not asked


def test_without_the_hub(monkeypatch, caplog):
    def refuse(*_, **__):
        raise hub_error(errors.LocalEntryNotFoundError)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    settings = config(backbone_config=None, use_timm_backbone=True, backbone="resnet18", use_pretrained_backbone=True)
    with pytest.raises(
        CheckpointError, match=r"not in the cache.*connect.*use_pretrained_backbone=False begins"
    ) as error:
        ConditionalDetrModel(settings)
    assert (error.value.source, error.value.item) == ("timm/resnet18.a1_in1k", "use_pretrained_backbone")
    assert not caplog.messages
    ConditionalDetrModel(config(use_pretrained_backbone=True))  # as configurations of transformers 4 have it
    assert caplog.messages == [
        "use_pretrained_backbone: there are no weights of this network; its backbone begins with random ones"
    ]


def test_norms_of_new_models_and_of_those_of_transformers(tmp_path):
    made = config(backbone_config=DESCRIBED)
    model = ConditionalDetrModel(made)
    norms = [norm for norm in model.modules() if isinstance(norm, FrozenBatchNormAct)]
    assert {norm.epsilon for norm in norms} == {1e-3}
    stored = {name: value for name, value in made.to_dict().items() if name != "transformers_norms"}
    of_peers = ConditionalDetrConfig.from_dict(stored | {"transformers_version": "5.23.0"})
    assert of_peers.transformers_norms
    assert ConditionalDetrConfig.from_dict(of_peers.to_dict()).transformers_norms
    peers = ConditionalDetrForObjectDetection(of_peers)
    assert not any(isinstance(norm, FrozenBatchNormAct) for norm in peers.modules())
    peers.save_pretrained(tmp_path)
    assert load(tmp_path).config.backbone == peers.network.config.backbone
    assert ConditionalDetrConfig.from_pretrained(tmp_path).transformers_norms
