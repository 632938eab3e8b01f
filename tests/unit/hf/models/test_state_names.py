import pytest
import torch
from torch import nn

from tests.scramble import scramble
from tests.unit.hf.networks import config, detector


def test_names_of_version_4():
    names = detector().state_dict().keys()
    assert {
        "class_labels_classifier.weight",
        "bbox_predictor.layers.2.bias",
        "model.query_position_embeddings.weight",
        "model.encoder.layers.1.fc1.weight",
        "model.decoder.layers.0.ca_qpos_proj.weight",
        "model.decoder.layers.2.sa_qcontent_proj.bias",
        "model.backbone.conv_encoder.model.encoder.stages.0.layers.0.layer.0.convolution.weight",
    } <= names
    assert not any("network" in name for name in names)
    assert "model.decoder.layers.1.ca_qpos_proj.weight" not in names


def test_a_named_backbone_has_the_names_of_timm():
    model = detector(backbone_config=None, backbone="resnet18")
    assert "model.backbone.conv_encoder.model.layer4.1.bn2.running_var" in model.state_dict()


def test_a_base_model_leaves_its_prefix_away():
    model = detector(position_embedding_type="learned")
    names = model.model.state_dict().keys()
    assert {"encoder.layers.0.fc2.bias", "backbone.position_embedding.row_embeddings.weight"} <= names
    assert {f"model.{name}" for name in names} < model.state_dict().keys()


def test_tensors_are_the_parameters_themselves():
    model = detector()
    assert model.state_dict(keep_vars=True)["class_labels_classifier.weight"] is model.class_labels_classifier.weight


def test_read_what_was_written_also_inside_other_modules():
    model, other = detector(), scramble(detector(), seed=1)
    wrapped = nn.Sequential(model, nn.Linear(2, 2))
    state = wrapped.state_dict()
    assert "0.model.encoder.layers.0.fc1.weight" in state
    nn.Sequential(other, nn.Linear(2, 2)).load_state_dict(state)
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)


def test_learned_positions_of_version_5():
    model = detector(position_embedding_type="learned")
    state = model.state_dict()
    rows = state.pop("model.backbone.position_embedding.row_embeddings.weight") + 1
    state["model.position_embedding.row_embeddings.weight"] = rows
    model.load_state_dict(state)
    assert torch.equal(model.model.position_embedding.rows, rows)


def test_counts_of_batch_norms_mean_nothing():
    model = detector()
    state = model.state_dict() | {
        "model.backbone.conv_encoder.model.embedder.embedder.normalization.num_batches_tracked": torch.ones(())
    }
    model.load_state_dict(state)


def test_what_does_not_fit_is_named_in_their_words():
    model = detector()
    state = model.state_dict()
    del state["model.encoder.layers.0.fc1.weight"]
    with pytest.raises(RuntimeError, match=r'Missing key.*: "model\.encoder\.layers\.0\.fc1\.weight"'):
        model.load_state_dict(state)
    state = model.state_dict() | {"model.encoder.layers.9.fc1.weight": torch.ones(1)}
    with pytest.raises(RuntimeError, match=r'Unexpected key.*: "model\.encoder\.layers\.9\.fc1\.weight"'):
        model.load_state_dict(state)
    found = model.load_state_dict({"foo": torch.ones(1)}, strict=False)
    assert set(found.missing_keys) == model.state_dict().keys()
    assert found.unexpected_keys == ["foo"]
    with pytest.raises(RuntimeError, match="size mismatch"):
        detector(num_labels=5, id2label=None).load_state_dict(model.state_dict())


def test_the_config_may_be_shared():
    settings = config()
    assert detector(backbone_config=settings.backbone_config).state_dict().keys() == detector().state_dict().keys()
