"""Models that others changed: compiled, parametrized, pruned, quantized, averaged, called with other weights."""

import copy

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import parametrizations
from torch.optim.swa_utils import AveragedModel

from condetr.core.errors import CheckpointError
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from tests.scramble import scramble
from tests.unit.hf.networks import config, detector, pixels


def first_layer(model):
    return model.model.encoder.layers[0].feedforward


def compiled_inside(model):
    model.model.encoder.layers[0] = torch.compile(model.model.encoder.layers[0])
    return model


def parametrized(model):
    parametrizations.weight_norm(first_layer(model).expand)
    return model


def extended(model):
    first_layer(model).extra = nn.Linear(2, 2)
    return model


def quantized(model):
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*quantized.*:UserWarning", "ignore:TypedStorage is deprecated:UserWarning")
@pytest.mark.parametrize(
    ("change", "name"),
    [
        (compiled_inside, "model.network.encoder.layers.0._orig_mod.feedforward.expand.weight"),
        (parametrized, "model.network.encoder.layers.0.feedforward.expand.parametrizations.weight.original1"),
        (extended, "model.network.encoder.layers.0.feedforward.extra.weight"),
        (quantized, "model.network.encoder.layers.0.feedforward.expand._packed_params._packed_params"),
    ],
)
def test_what_others_added_keeps_its_name(change, name):
    state = change(detector()).state_dict()
    assert name in state
    assert "model.encoder.layers.0.self_attn_layer_norm.weight" in state or change is compiled_inside
    other = change(scramble(ConditionalDetrForObjectDetection(config()), seed=9))
    assert not other.load_state_dict(state).missing_keys
    again = other.state_dict()
    assert again.keys() == state.keys()
    assert torch.equal(again["model.decoder.layernorm.weight"], state["model.decoder.layernorm.weight"])
    del state[name]
    missing = other.load_state_dict(state, strict=False).missing_keys if change is not quantized else [name]
    assert missing == [name]


def test_compiled_layers_are_stored_as_themselves(tmp_path):
    model = detector()
    compiled_inside(copy.deepcopy(model)).save_pretrained(tmp_path / "compiled")
    model.save_pretrained(tmp_path / "plain")
    compiled, plain = (load_file(tmp_path / name / "model.safetensors") for name in ("compiled", "plain"))
    assert compiled.keys() == plain.keys()
    assert all(torch.equal(compiled[key], plain[key]) for key in plain)


def test_what_is_no_part_of_the_network_is_not_stored(tmp_path):
    with pytest.raises(CheckpointError, match=r"not part of Conditional DETR: .*extra\.bias.* merge_and_unload"):
        extended(detector()).save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_other_weights_for_one_call():
    """docs/differences.md: functional calls want the names of parameters and buffers, not those of state dicts."""
    model, other = detector(), scramble(ConditionalDetrForObjectDetection(config()), seed=5).eval()
    weights = dict(other.named_parameters()) | dict(other.named_buffers())
    answer = torch.func.functional_call(model, weights, (pixels(),))
    assert torch.equal(answer.logits, other(pixels()).logits)
    parameters, buffers = torch.func.stack_module_state([model, other])
    assert parameters.keys() | buffers.keys() == weights.keys()


def test_averaged():
    model = detector()
    averaged = AveragedModel(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    averaged.update_parameters(model)
    averaged.update_parameters(model)
    assert torch.allclose(averaged.module.class_labels_classifier.bias, model.class_labels_classifier.bias)
    other = AveragedModel(detector())
    other.load_state_dict(averaged.state_dict())
    assert torch.equal(other.module.class_labels_classifier.bias, averaged.module.class_labels_classifier.bias)


def test_optimizers_know_parameters_by_name():
    model = detector()
    optimizer = torch.optim.SGD(model.named_parameters(), lr=0.1)
    names = optimizer.state_dict()["param_groups"][0]["param_names"]
    assert names == [name for name, _ in model.named_parameters()]
