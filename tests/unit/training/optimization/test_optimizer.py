import pytest
import torch
from torch import nn

from condetr.core.errors import SettingsError
from condetr.training.optimization.freezing import freeze
from condetr.training.optimization.optimizer import build_optimizer, set_rates
from tests.unit.training.networks import tiny_detector

PAPER = {"lr": 1e-4, "lr_backbone": 1e-5, "weight_decay": 1e-4, "decay_norms": True}


def rate_of(optimizer, parameter):
    return next(group["lr"] for group in optimizer.param_groups if any(one is parameter for one in group["params"]))


def test_the_backbone_learns_ten_times_slower():
    detector = tiny_detector()
    optimizer = build_optimizer(nn.ModuleDict({"detector": detector}), **PAPER)
    assert rate_of(optimizer, detector.body.backbone.stages[1][0].convs[0].conv.weight) == 1e-5
    assert rate_of(optimizer, detector.body.input_projection.weight) == 1e-4
    assert rate_of(optimizer, detector.body.decoder.object_queries) == 1e-4
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(detector.parameters()))


def test_norms_and_biases_may_be_spared_from_decay():
    detector = tiny_detector()
    optimizer = build_optimizer(detector, **(PAPER | {"decay_norms": False}))
    for group in optimizer.param_groups:
        assert all((parameter.ndim > 1) == (group["weight_decay"] > 0) for parameter in group["params"])
    assert {group["weight_decay"] for group in build_optimizer(detector, **PAPER).param_groups} == {1e-4}


def test_frozen_parts_are_not_among_them():
    detector = tiny_detector()
    freeze(detector, ("early", "encoder"))
    assert not detector.body.backbone.stem[0].conv.weight.requires_grad
    assert not any(parameter.requires_grad for parameter in detector.body.encoder.parameters())
    assert all(parameter.requires_grad for parameter in detector.body.backbone.stages[1].parameters())
    optimizer = build_optimizer(detector, **PAPER)
    learning = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(learning)


def test_nothing_left_to_train_is_refused():
    detector = tiny_detector().requires_grad_(False)
    with pytest.raises(SettingsError, match="nothing is left to train"):
        build_optimizer(detector, **PAPER)


def test_rates_follow_a_factor_of_what_was_asked_for():
    optimizer = build_optimizer(tiny_detector(), **PAPER)
    set_rates(optimizer, 0.5)
    set_rates(optimizer, 0.1)
    assert sorted(group["lr"] for group in optimizer.param_groups) == pytest.approx([1e-6, 1e-5])


def test_a_step_is_that_of_torch():
    """The groups, fused, do what a plain AdamW with one group does when both rates are equal."""
    one, other = tiny_detector(), tiny_detector()
    other.load_state_dict(one.state_dict())
    ours = build_optimizer(one, lr=1e-3, lr_backbone=1e-3, weight_decay=0.1, decay_norms=True)
    plain = torch.optim.AdamW(other.parameters(), lr=1e-3, weight_decay=0.1, foreach=False)
    for network, optimizer in ((one, ours), (other, plain)):
        for parameter in network.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    # one rounding apart: the fused kernel orders its multiplications differently
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=1e-6, atol=1e-7)
