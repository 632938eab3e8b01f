"""Images in, losses of every decoder layer and gradients of every parameter out: as the authors' code has them."""

from collections import defaultdict

import pytest
import torch

from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.keys import foreign_keys
from condetr.checkpoints.translate import to_condetr
from condetr.core.records import Target
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import Losses, set_loss
from condetr.matching.matching_costs import MatchingCosts
from condetr.model.detector import ConditionalDetr
from tests.golden.test_internals import CONFIGS

NAMES = {"loss_ce": "classes", "loss_bbox": "boxes", "loss_giou": "giou"}


def detector_of(goldens, case) -> ConditionalDetr:
    detector = ConditionalDetr(CONFIGS[case]).eval()
    shapes = {name: tensor.shape for name, tensor in detector.state_dict().items()}
    stored = goldens.state_dict(case, "orig")
    detector.load_state_dict(to_condetr(StoredState.of(stored, case), shapes, detector.config.backbone).tensors)
    return detector


def supervise(goldens, detector, case) -> Losses:
    pixels, mask = goldens.inputs(case)
    dtype = next(detector.parameters()).dtype
    targets = [Target(target["labels"], target["boxes"].to(dtype)) for target in goldens.targets(case)]
    return set_loss(detector.predict_layers(pixels.to(dtype), mask.bool()), targets, MatchingCosts(), LossWeights())


def probes_of_gradients(goldens, detector) -> dict[str, list[float]]:
    """Norm and one projection of each gradient, by the authors' names; they stack query, key and value."""
    keys = foreign_keys(dict(detector.named_parameters()), detector.config.backbone, "original", "timm")
    parts = defaultdict(dict)
    for name, parameter in detector.named_parameters():
        if parameter.grad is not None:
            parts[keys[name].key][keys[name].part] = parameter.grad
    gradients = {key: torch.cat([part for _, part in sorted(found.items())]) for key, found in parts.items()}
    return {key: goldens.R.grad_probe(key, gradient) for key, gradient in gradients.items()}


@pytest.mark.parametrize("case", CONFIGS)
def test_losses_and_gradients_of_all_layers(goldens, case):
    _, numbers = goldens.expected(case)
    detector = detector_of(goldens, case)
    losses = supervise(goldens, detector, case)
    layers = CONFIGS[case].decoder_layers
    for foreign, name in NAMES.items():
        expected = [numbers["losses"][f"{foreign}_{layer}"] for layer in range(layers - 1)]
        assert getattr(losses, name).tolist() == pytest.approx([*expected, numbers["losses"][foreign]], rel=2e-4)
    assert losses.total.item() == pytest.approx(numbers["total"], rel=2e-4)
    assert losses.class_error.item() == pytest.approx(numbers["losses"]["class_error"])

    # Ours are float64, so that the processor's order of sums does not matter. The authors' are float32: their own
    # rounding moves projections by up to 1.5 percent of the norm, the norm itself by less than a thousandth.
    detector.double().zero_grad()
    supervise(goldens, detector, case).total.backward()
    found, expected = probes_of_gradients(goldens, detector), numbers["grads"]
    assert found.keys() >= expected.keys()  # the authors freeze the stem and layer1
    largest = max(norm for norm, _ in expected.values())
    for key, (norm, projection) in expected.items():
        scale = max(norm, 1e-3 * largest)
        assert found[key][0] == pytest.approx(norm, rel=0, abs=1e-3 * scale), key
        assert found[key][1] == pytest.approx(projection, rel=0, abs=2e-2 * scale), key
