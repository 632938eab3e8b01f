"""All that changes as the network learns: weights, what the optimizer remembers, their average."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import AdamW

from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.training.input.sampling import seed_from
from condetr.training.optimization.ema import WeightAverage
from condetr.training.optimization.freezing import freeze
from condetr.training.optimization.mixed_precision import precision_of
from condetr.training.optimization.optimizer import build_optimizer
from condetr.training.processes import Processes
from condetr.training.settings import TrainingSettings
from condetr.training.supervised import SupervisedDetector


class TrainState:
    """Attributes: ``network`` is ``supervised``, wrapped where several processes exchange gradients."""

    def __init__(
        self,
        supervised: SupervisedDetector,
        network: nn.Module,
        optimizer: AdamW,
        scaler: GradScaler,
        average: WeightAverage[ConditionalDetr] | None,
    ) -> None:
        self.supervised, self.network = supervised, network
        self.optimizer, self.scaler, self.average = optimizer, scaler, average

    @property
    def eval_model(self) -> ConditionalDetr:
        """What to evaluate and to keep: the average, where there is one."""
        return self.supervised.detector if self.average is None else self.average.network

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Everything that `restore` needs, by what it is and by the parameter that it belongs to."""
        stored = {"weights": dict(self.supervised.state_dict()), "optimiser": self._moments()}
        return stored if self.average is None else stored | {"average": self.average.state_dict()}

    def numbers(self) -> dict[str, Any]:
        return {"scaler": self.scaler.state_dict(), "averaged": 0 if self.average is None else self.average.updates}

    def restore(self, tensors: dict[str, dict[str, Tensor]], numbers: dict[str, Any]) -> None:
        self.supervised.load_state_dict(tensors["weights"])
        self._restore_moments(tensors["optimiser"])
        self.scaler.load_state_dict(numbers["scaler"])
        if self.average is not None:
            self.average.network.load_state_dict(tensors["average"])
            self.average.updates = numbers["averaged"]

    def _moments(self) -> dict[str, Tensor]:
        return {
            f"{moment}/{name}": tensor
            for name, parameter in self.supervised.named_parameters()
            for moment, tensor in self.optimizer.state.get(parameter, {}).items()
        }

    def _restore_moments(self, moments: dict[str, Tensor]) -> None:
        parameters = dict(self.supervised.named_parameters())
        self.optimizer.state.clear()
        for key, tensor in moments.items():
            moment, name = key.split("/", 1)
            parameter = parameters[name]
            self.optimizer.state[parameter][moment] = tensor.to(parameter.device, copy=True)


def build_learner(detector: ConditionalDetr, settings: TrainingSettings, processes: Processes) -> TrainState:
    """The detector on its device, ready to be trained.

    Raises:
        SettingsError: nothing is left to train, or the precision does not exist on the device.
    """
    precision = precision_of(settings.precision, processes.device)
    freeze(detector, (*settings.freeze, "backbone") if settings.lr_backbone == 0 else settings.freeze)
    detector.float().to(processes.device)
    average = WeightAverage(detector, settings.ema) if settings.ema else None
    torch.manual_seed(seed_from("query groups", settings.seed))
    supervised = SupervisedDetector(
        detector,
        settings.costs,
        settings.weights,
        precision,
        query_groups=settings.query_groups,
        recomputed=settings.recompute,
    )
    drops = max(detector.config.encoder_layerdrop, detector.config.decoder_layerdrop) > 0
    masks = isinstance(detector, ConditionalDetrSegmenter)  # of a batch without objects there are none
    network = processes.wrapped(supervised, unused_weights=drops or masks or detector.config.decoder_layers == 1)
    optimizer = build_optimizer(
        supervised,
        lr=settings.lr,
        lr_backbone=settings.lr_backbone,
        weight_decay=settings.weight_decay,
        decay_norms=settings.decay_norms,
    )
    if average is not None:  # the wrapping made all processes begin with the weights of the first
        average.network.load_state_dict(detector.state_dict())
    return TrainState(supervised, network, optimizer, precision.scaler(), average)
