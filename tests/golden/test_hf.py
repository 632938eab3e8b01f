"""The transformers-shaped detector gives the peers' outputs, losses and gradients on the peers' weights.

Two rows of transformers' own numbers are its faults: 5.23 ignores `cls_loss_coefficient`, and 4.34 counts queries whose
best class is not the last one as objects.
"""

import pytest
import torch

from condetr.checkpoints.keys import foreign_keys
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection

PEERS = {"hf434_tiny_det": "hf434", "hf523_tiny_det": "hf523"}
AUTHORS = {
    "orig_r50": {},
    "orig_r50_dc5": {"dilation": True},
    "orig_r18_learned": {
        "backbone": "resnet18",
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 128,
        "num_queries": 20,
        "num_labels": 7,
        "position_embedding_type": "learned",
    },
}
CLOSE = {"atol": 1e-4, "rtol": 0}  # the peers agree with each other to 1e-5


def detector(goldens, case, key_format, **changes):
    _, numbers = goldens.expected(case)
    config = ConditionalDetrConfig(**(numbers.get("config") or {"num_labels": 91} | AUTHORS[case]))
    config.update({"output_attentions": False, "output_hidden_states": False} | changes)
    model = ConditionalDetrForObjectDetection(config).eval()
    model.load_state_dict(goldens.state_dict(case, key_format))
    return model


@pytest.mark.parametrize(("case", "key_format"), PEERS.items())
def test_every_field(goldens, case, key_format):
    expected, numbers = goldens.expected(case)
    pixels, mask = goldens.inputs(case)
    model = detector(goldens, case, key_format)
    with torch.no_grad():
        output = model(
            pixels, mask, labels=goldens.targets(case, hf=True), output_attentions=True, output_hidden_states=True
        )
        unmasked = model(pixels)
        base = model.model(pixels, mask)
    assert list(output) == numbers["keys"]
    assert list(unmasked) == numbers["keys_plain"]
    assert list(base) == numbers["keys_base"]
    assert model.num_parameters() == numbers["num_params"]
    fields = {"base.reference_points": base.reference_points}
    fields |= {f"nomask.{name}": unmasked[name] for name in ("logits", "pred_boxes")}
    for name, value in output.items():
        if isinstance(value, tuple):
            assert len(value) == numbers[f"n_{name}"]
            fields |= {f"{name}.{layer}": part for layer, part in enumerate(value)}
        elif isinstance(value, torch.Tensor):
            fields[name] = value
    assert expected.keys() == fields.keys() - {"loss"}
    for name, tensor in expected.items():
        torch.testing.assert_close(fields[name], tensor, **CLOSE, msg=lambda said, name=name: f"{name}: {said}")


@pytest.mark.parametrize(
    ("case", "key_format", "coefficient"), [("hf434_tiny_det", "hf434", 2), ("hf523_tiny_det", "hf523", 1)]
)
def test_transformers_losses_and_gradients(goldens, case, key_format, coefficient):
    _, numbers = goldens.expected(case)
    pixels, mask = goldens.inputs(case)
    model = detector(goldens, case, key_format, cls_loss_coefficient=coefficient)
    output = model(pixels, mask, labels=goldens.targets(case, hf=True))
    assert output.loss.item() == pytest.approx(numbers["loss"], rel=2e-4)
    found = {name: value.item() for name, value in output.loss_dict.items()}
    assert found == pytest.approx(numbers["loss_dict"], rel=2e-4)
    output.loss.backward()
    theirs = {
        name: foreign.key
        for name, foreign in foreign_keys(
            dict(model.network.named_parameters()),
            model.network.config.backbone,
            "hub" if key_format == "hf434" else "transformers",
            "resnet",
        ).items()
    }
    gradients = {theirs[name]: p.grad for name, p in model.network.named_parameters() if p.grad is not None}
    # transformers freezes all of its own ResNets where it means the stem and first stage: a misspelt name.
    assert {name for name in gradients if "backbone" not in name} == set(numbers["requires_grad"])
    norms_agree(gradients, numbers["grads"])


@pytest.mark.parametrize("case", AUTHORS)
def test_the_authors_predictions_losses_and_gradients(goldens, case):
    expected, numbers = goldens.expected(case)
    pixels, mask = goldens.inputs(case)
    model = detector(goldens, case, "hf434", auxiliary_loss=True)
    output = model(pixels, mask, labels=goldens.targets(case, hf=True))
    torch.testing.assert_close(output.logits, expected["pred_logits"], **CLOSE)
    torch.testing.assert_close(output.pred_boxes, expected["pred_boxes"], **CLOSE)
    for early, boxes in zip(output.auxiliary_outputs, expected["aux_boxes"], strict=True):
        torch.testing.assert_close(early["pred_boxes"], boxes, **CLOSE)
    assert output.loss.item() == pytest.approx(numbers["total"], rel=2e-4)
    logged = {name: loss for name, loss in numbers["losses"].items() if name.startswith("loss")}
    found = {name: loss.item() for name, loss in output.loss_dict.items() if name.startswith("loss")}
    assert found == pytest.approx(logged, rel=2e-4)
    output.loss.backward()
    parts = {}
    network = model.network
    keys = foreign_keys(dict(network.named_parameters()), network.config.backbone, "original", "timm")
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            parts.setdefault(keys[name].key, {})[keys[name].part] = parameter.grad
    gradients = {key: torch.cat([part for _, part in sorted(found.items())]) for key, found in parts.items()}
    assert gradients.keys() == set(numbers["requires_grad"])
    norms_agree(gradients, numbers["grads"])


def norms_agree(gradients, expected):
    """Norms only: the projections are checked on the network, under the authors' names."""
    largest = max(norm for norm, _ in expected.values())
    for name, (norm, _) in expected.items():
        assert gradients[name].norm().item() == pytest.approx(norm, rel=1e-2, abs=1e-5 * largest), name


@pytest.mark.parametrize("case", AUTHORS)
def test_the_base_model_is_the_body_of_the_detector(goldens, case):
    expected, _ = goldens.expected(case)
    pixels, mask = goldens.inputs(case)
    with torch.no_grad():
        model = detector(goldens, case, "hf434").model
        base = ConditionalDetrModel(model.config).eval()
        base.load_state_dict(model.state_dict())
        output = base(pixels, mask)
    torch.testing.assert_close(output.last_hidden_state, expected["hs_last"], **CLOSE)
    torch.testing.assert_close(output.reference_points.transpose(0, 1), expected["reference"], **CLOSE)
