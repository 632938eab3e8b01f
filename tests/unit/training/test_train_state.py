import re

import torch

from condetr.model.config import ResNetDescription
from condetr.model.segmenter import with_masks
from condetr.training.processes import Processes
from condetr.training.settings import TrainingSettings
from condetr.training.train_state import TrainState, build_train_state
from tests.scramble import scramble
from tests.unit.training.networks import tiny_detector

FORMER = {
    "pyramid.conv1": "pyramid.joining",
    "pyramid.conv2": "pyramid.narrowing",
    "pyramid.fpn_stages": "pyramid.fusions",
}


def state_of(seed: int) -> TrainState:
    backbone = ResNetDescription(block="basic", depths=(1, 1, 1), widths=(8, 16, 16), stem_widths=(8,))
    segmenter = scramble(with_masks(tiny_detector(backbone=backbone, encoder_attention_heads=8)), seed=seed)
    settings = TrainingSettings(task="instance", ema=0.9, query_groups=2, freeze=(), lr=1e-3, lr_backbone=1e-3)
    state = build_train_state(segmenter, settings, Processes("cpu"))
    for parameter in state.supervised.parameters():
        parameter.grad = torch.randn_like(parameter)
    state.optimizer.step()
    state.average.update(state.supervised.detector)
    return state


def former(key: str) -> str:
    """What a run stored before detectors held their body."""
    key = re.sub(r"(^|/|detector\.)body\.", r"\1", key)
    for now, before in FORMER.items():
        key = key.replace(now, before)
    return key


def test_a_run_of_an_earlier_version_is_restored():
    begun, other = state_of(1), state_of(2)
    stored = begun.tensors()
    before = {group: {former(key): tensor for key, tensor in tensors.items()} for group, tensors in stored.items()}
    assert all(before[group].keys() != stored[group].keys() for group in ("weights", "optimiser", "average"))
    assert "detector.encoder.layers.0.feedforward.expand.weight" in before["weights"]
    assert "exp_avg/detector.mask_head.pyramid.fusions.0.adapter.weight" in before["optimiser"]
    other.restore(before, begun.scalar_state())
    restored = other.tensors()
    for group, tensors in stored.items():
        assert restored[group].keys() == tensors.keys()
        assert all(torch.equal(tensor, restored[group][key]) for key, tensor in tensors.items())
