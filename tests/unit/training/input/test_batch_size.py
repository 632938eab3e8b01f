import torch

from condetr.losses.loss_weights import LossWeights
from condetr.matching.matching_costs import MatchingCosts
from condetr.training.input import batch_size
from condetr.training.input.batch_size import batch_that_fits, bytes_kept
from condetr.training.optimization.mixed_precision import Precision
from condetr.training.supervision.supervised import SupervisedDetector
from tests.unit.training.networks import tiny_detector

CPU = torch.device("cpu")


def supervised(**options):
    return SupervisedDetector(
        tiny_detector(), MatchingCosts(), LossWeights(), Precision(torch.float32, "cpu"), **options
    )


def test_what_a_image_keeps_grows_with_its_area_and_shrinks_when_recomputed():
    small, large = (bytes_kept(supervised(), (side, side), CPU) for side in (64, 128))
    assert 2.5 * small < large < 5 * small
    assert bytes_kept(supervised(recomputed=True), (128, 128), CPU) < 0.7 * large


def test_it_fills_the_share_of_memory_that_is_free(monkeypatch):
    network = supervised()
    of_image = bytes_kept(network, (64, 64), CPU)
    learned = 3 * sum(weight.numel() * 4 for weight in network.parameters())
    free = (5.5 * of_image + learned) / batch_size.USABLE
    monkeypatch.setattr(batch_size, "_free_on_cpu", lambda: int(free))
    assert batch_that_fits(network, (64, 64), CPU, 1) == 5
    monkeypatch.setattr(batch_size, "_free_on_cpu", lambda: 1 << 50)
    assert batch_that_fits(network, (64, 64), CPU, 4) == 4, "16 images a step are the paper's, over all processes"
    monkeypatch.setattr(batch_size, "_free_on_cpu", lambda: 0)
    assert batch_that_fits(network, (64, 64), CPU, 1) == 1


def test_the_memory_of_this_machine_is_known():
    assert batch_size._free_on_cpu() > 1 << 20
