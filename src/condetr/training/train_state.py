"""Everything that changes during training: weights, optimizer state, gradient scale, EMA."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import AdamW

from condetr.checkpoints.keys import own_name
from condetr.core.errors import SettingsError
from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.training.duration.length import OPEN
from condetr.training.input.sampling import seed_from
from condetr.training.optimization.by_steps import ema_decay
from condetr.training.optimization.ema import WeightAverage
from condetr.training.optimization.freezing import freeze
from condetr.training.optimization.mixed_precision import precision_of
from condetr.training.optimization.optimizer import build_optimizer
from condetr.training.processes import Processes
from condetr.training.settings import TrainingSettings
from condetr.training.supervision.supervised import SupervisedDetector
from condetr.training.supervision.teacher import Teacher


class TrainState:
    """Attributes: ``network`` is ``supervised``, in DistributedDataParallel where there are several processes.

    The optimizer knows parameters that are ``frozen`` for a while, and has no state of them before they are trained.
    """

    def __init__(
        self,
        supervised: SupervisedDetector,
        network: nn.Module,
        optimizer: AdamW,
        scaler: GradScaler,
        average: WeightAverage[ConditionalDetr] | None,
        frozen: Sequence[nn.Parameter] = (),
    ) -> None:
        self.supervised, self.network = supervised, network
        self.optimizer, self.scaler, self.average = optimizer, scaler, average
        self.frozen = frozen

    def unfreeze(self) -> None:
        """Train what was frozen for a while."""
        for parameter in self.frozen:
            parameter.requires_grad = True
        self.frozen = ()

    @contextmanager
    def all_trained(self) -> Iterator[None]:
        """As after `unfreeze`, for a while."""
        for parameter in self.frozen:
            parameter.requires_grad = True
        try:
            yield
        finally:
            for parameter in self.frozen:
                parameter.requires_grad = False

    @property
    def eval_model(self) -> ConditionalDetr:
        """The model to evaluate and to store: the EMA, where there is one."""
        return self.supervised.detector if self.average is None else self.average.network

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """The tensors of a checkpoint, by file and by parameter; the file names are part of the format."""
        stored = {"weights": dict(self.supervised.state_dict()), "optimiser": self._moments()}
        return stored if self.average is None else stored | {"average": self.average.state_dict()}

    def scalar_state(self) -> dict[str, Any]:
        return {"scaler": self.scaler.state_dict(), "averaged": 0 if self.average is None else self.average.updates}

    def restore(self, tensors: dict[str, dict[str, Tensor]], scalars: dict[str, Any]) -> None:
        self.supervised.load_state_dict(_under_current_names(tensors["weights"], self.supervised.state_dict()))
        self._restore_moments(tensors["optimiser"])
        self.scaler.load_state_dict(scalars["scaler"])
        if self.average is not None:
            network = self.average.network
            network.load_state_dict(_under_current_names(tensors["average"], network.state_dict()))
            self.average.updates = scalars["averaged"]

    def _moments(self) -> dict[str, Tensor]:
        return {
            f"{moment}/{name}": tensor
            for name, parameter in self.supervised.named_parameters()
            for moment, tensor in self.optimizer.state.get(parameter, {}).items()
        }

    def _restore_moments(self, moments: dict[str, Tensor]) -> None:
        parameters = {own_name(name): parameter for name, parameter in self.supervised.named_parameters()}
        self.optimizer.state.clear()
        for key, tensor in moments.items():
            moment, name = key.split("/", 1)
            parameter = parameters[own_name(name)]
            self.optimizer.state[parameter][moment] = tensor.to(parameter.device, copy=True)


def _under_current_names(stored: Mapping[str, Tensor], current: Iterable[str]) -> dict[str, Tensor]:
    """Runs of earlier versions stored other names, see `own_name`."""
    names = {own_name(name): name for name in current}
    return {names.get(own_name(name), name): tensor for name, tensor in stored.items()}


def build_train_state(
    detector: ConditionalDetr, settings: TrainingSettings, processes: Processes, teacher: Teacher | None = None
) -> TrainState:
    """Move the detector to its device, and build the optimizer, scaler and EMA for it.

    ``teacher`` is the loaded one of the settings.

    Raises:
        SettingsError: everything is frozen, or the device does not support the precision.
    """
    precision = precision_of(settings.precision, processes.device)
    freeze(detector, ("backbone",) if settings.lr_backbone == 0 else ())
    if not settings.freeze_steps:
        freeze(detector, settings.freeze)
    detector.float().to(processes.device)
    average = WeightAverage(detector, ema_decay(settings.ema, OPEN)) if settings.ema else None
    torch.manual_seed(seed_from("query groups", settings.seed))
    supervised = SupervisedDetector(
        detector,
        settings.costs,
        settings.weights,
        precision,
        query_groups=settings.query_groups,
        one_to_many=settings.one_to_many,
        dense_aux=settings.dense_aux,
        dense_until=settings.dense_until,
        iou_aware=settings.iou_aware,
        teacher=teacher,
        teacher_weight=settings.teacher_weight,
        recomputed=settings.recompute,
    )
    drops = max(detector.config.encoder_layerdrop, detector.config.decoder_layerdrop) > 0
    masks = isinstance(detector, ConditionalDetrSegmenter)  # their losses are missing where a batch has no objects
    changes = settings.dense_aux > 0 or settings.freeze_steps > 0  # what is trained: the dense head, frozen parts
    unused = drops or masks or changes or detector.config.decoder_layers == 1
    network = processes.wrapped(supervised, unused_weights=unused)
    optimizer = build_optimizer(
        supervised,
        lr=settings.lr,
        lr_backbone=settings.lr_backbone,
        weight_decay=settings.weight_decay,
        decay_norms=settings.decay_norms,
    )
    if average is not None:  # wrapping gave all processes the weights of the first
        average.network.load_state_dict(detector.state_dict())
    frozen = freeze(detector, settings.freeze)
    if not any(parameter.requires_grad for parameter in supervised.parameters()):
        raise SettingsError(f"every part is frozen for {settings.freeze_steps} steps", item="freeze")
    return TrainState(supervised, network, optimizer, precision.scaler(), average, frozen)
