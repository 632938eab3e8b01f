"""All options of a training run. The defaults are the paper's recipe; nothing here imports torch."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from condetr.core.errors import SettingsError
from condetr.core.names import (
    AugmentationPreset,
    AugmentationSteps,
    FreezablePart,
    Precision,
    Task,
    with_current_names,
)
from condetr.data.augmentation.pipeline_steps import check_augment, read_pipeline
from condetr.losses.loss_weights import LossWeights
from condetr.matching.matching_costs import MatchingCosts
from condetr.training.optimization.schedule import Shape

_AT_LEAST = {
    **dict.fromkeys(("epochs", "query_groups"), 1),
    **dict.fromkeys(("patience", "save_every", "workers", "overfit", "pretrain_backbone", "clip"), 0),
    **dict.fromkeys(
        ("lr", "weight_decay", "reference_batch", "one_to_many", "dense_aux", "teacher_weight", "freeze_steps"), 0
    ),
}
_SHARES = {"flip": "probability", "flip_vertical": "probability", "min_visibility": "share", "repeat_factor": "share"}
_AT_LEAST_OR_AUTO = {"batch": 1, "accumulate": 1, "evaluate_every": 1, "warmup": 0}
_ONE_OF = {
    "task": get_args(Task),
    "schedule": get_args(Shape),
    "precision": get_args(Precision),
    "non_finite": ("skip", "stop"),
    "unreadable": ("skip", "stop"),
}


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What the command line and Python share; help texts are those of ``condetr train --help``."""

    # each of these stands for the others in a recipe, a config file or an interrupted run
    SUPERSEDES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "epochs": ("steps", "minutes"),
        "steps": ("epochs", "minutes"),
        "minutes": ("epochs", "steps"),
        "lr": ("reference_batch",),
        "lr_backbone": ("reference_batch",),
    }

    task: Annotated[Task, "what to train for: boxes (detect), masks (instance) or every pixel (panoptic)"] = "detect"
    epochs: Annotated[int, "passes over the training images"] = 50
    steps: Annotated[int | None, "optimization steps to train for, instead of epochs"] = None
    minutes: Annotated[
        float | None, "minutes for the whole command, instead of epochs; a few steps are timed first"
    ] = None
    batch: Annotated[int | Literal["auto"], "batch size of each process; auto: as many as fit, at most 16"] = 2
    accumulate: Annotated[int | Literal["auto"], "gradient accumulation steps; auto: to reach the reference batch"] = 1
    reference_batch: Annotated[
        int, "images per step that lr is for; with others, lr is scaled by the square root of their ratio; 0: never"
    ] = 0
    lr: Annotated[float, "learning rate"] = 1e-4
    weight_decay: Annotated[float, "weight decay of AdamW"] = 1e-4
    decay_norms: Annotated[bool, "apply weight decay to norms and biases, too"] = True
    schedule: Annotated[Shape, "learning rate schedule"] = "step"
    decay_at: Annotated[float | None, "share of the training after which lr falls; default: step 0.8, others 0"] = None
    warmup: Annotated[int | Literal["auto"], "warm-up steps of the learning rate; auto: fits the steps"] = 0
    clip: Annotated[float, "maximum gradient norm; 0 disables clipping"] = 0.1
    ema: Annotated[
        float | Literal["auto"], "EMA decay of the weights, e.g. 0.999; auto: fits the steps; 0 disables EMA"
    ] = 0.0
    precision: Annotated[Precision, "compute precision of the network; weights and losses stay fp32"] = "fp32"
    recompute: Annotated[bool, "activation checkpointing: less memory, more computation"] = False
    image_size: Annotated[int | None, "shorter edge in pixels; default: the model's"] = None
    max_size: Annotated[int | None, "maximum longer edge in pixels; default: the model's"] = None
    augment: Annotated[
        AugmentationPreset | Path | AugmentationSteps | None, "augmentation preset, or a file of torchvision transforms"
    ] = "detr"
    flip: Annotated[float | None, "horizontal flip probability, 0 for text and digits; default: the preset's"] = None
    flip_vertical: Annotated[float, "vertical flip probability, e.g. 0.5 for microscopy and aerial images"] = 0.0
    quarter_turns: Annotated[bool, "turn images by 0, 90, 180 or 270 degrees at random"] = False
    min_visibility: Annotated[
        float | None, "drop objects of which a crop keeps a smaller share of the area; default: detr 0, others 0.25"
    ] = None
    repeat_factor: Annotated[
        float, "threshold of repeat-factor sampling: images of rarer classes are repeated (LVIS: 0.001); 0 disables it"
    ] = 0.0
    query_groups: Annotated[int, "query groups during training (Group DETR)"] = 1
    one_to_many: Annotated[
        int, "repetitions of each object for an additional query group (H-DETR: 6); 0: no such group"
    ] = 0
    dense_aux: Annotated[
        float, "weight of a dense auxiliary head, by which every cell predicts its object; 0: no such head"
    ] = 0.0
    dense_until: Annotated[float, "share of the training over which the weight of the dense head falls to 0"] = 0.5
    iou_aware: Annotated[
        float, "exponent of the IoU in the class target (Align-DETR: 0.75); 0: the focal loss, which ignores the IoU"
    ] = 0.0
    teacher: Annotated[str | None, "distill from this detector: hub id, folder or weights file"] = None
    teacher_weight: Annotated[float, "weight of the distillation"] = 1.0
    masks_in_boxes: Annotated[
        bool | None, "cut off each mask at its box, and learn it only there; default: as the model has it"
    ] = None
    freeze_steps: Annotated[int, "steps after which frozen modules are trained, too; 0: they stay frozen"] = 0
    patience: Annotated[int, "early stopping after so many evaluations without improvement; 0 disables it"] = 0
    evaluate_every: Annotated[int | Literal["auto"], "epochs between evaluations; auto: at most 12 evaluations"] = 1
    save_every: Annotated[int, "steps between checkpoints, besides one per epoch; 0: per epoch only"] = 0
    workers: Annotated[int, "data loading processes; 0: load in the training process"] = 2
    log: Annotated[tuple[str, ...], "trackers besides the files of the run folder, e.g. tensorboard"] = ()
    pretrain_backbone: Annotated[
        int, "backbone pretraining steps (per-cell classification), for training from random weights"
    ] = 0
    overfit: Annotated[int, "overfit on this many images as a sanity check; 0 uses all"] = 0
    non_finite: Annotated[Literal["skip", "stop"], "on a non-finite loss or gradient: skip the step, or stop"] = "skip"
    unreadable: Annotated[Literal["skip", "stop"], "on an unreadable image: skip it, or stop"] = "skip"
    allow_changed_data: Annotated[bool, "resume although the dataset changed"] = False
    costs: MatchingCosts = field(default_factory=MatchingCosts)
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        for name, words in _ONE_OF.items():
            _one_of(name, getattr(self, name), words)
        check_augment(self.augment)
        for name, least in _AT_LEAST.items():
            _at_least(name, getattr(self, name), least)
        for name, least in _AT_LEAST_OR_AUTO.items():
            if getattr(self, name) != "auto":
                _at_least(name, getattr(self, name), least)
        _above_zero("minutes", self.minutes)
        for name in ("steps", "image_size", "max_size"):
            if getattr(self, name) is not None:
                _at_least(name, getattr(self, name), 1)
        for name in ("ema", "decay_at"):
            value = 0 if getattr(self, name) in (None, "auto") else getattr(self, name)
            if not 0 <= value < 1:
                raise SettingsError(f"is {value}, expected at least 0 and less than 1", item=name)
        if not 0 < self.dense_until <= 1:
            raise SettingsError(f"is {self.dense_until}, expected more than 0 and at most 1", item="dense_until")
        if not 0 <= self.iou_aware <= 1:
            raise SettingsError(f"is {self.iou_aware}, expected an exponent from 0 to 1", item="iou_aware")
        for name, kind in _SHARES.items():
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise SettingsError(f"is {share}, expected a {kind} from 0 to 1", item=name)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(TrainingOptions):
    """Also what the command line leaves open until it knows whether weights are random: ``lr_backbone``, ``freeze``.

    A file of ``augment`` is read at once, so that a run keeps its transforms; None stands for a callable of Python.
    """

    lr_backbone: Annotated[float, "learning rate of the backbone; 0 freezes it"] = 1e-5
    freeze: Annotated[tuple[FreezablePart, ...], "modules to freeze; none when training from scratch"] = ("early",)
    seed: Annotated[int, "seed of all random numbers"] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.augment, Path):
            object.__setattr__(self, "augment", read_pipeline(self.augment))
        for part in self.freeze:
            _one_of("freeze", part, get_args(FreezablePart))
        for name in ("lr_backbone", "seed"):
            _at_least(name, getattr(self, name), 0)

    @property
    def decay_begins(self) -> float:
        if self.decay_at is not None:
            return self.decay_at
        return 0.8 if self.schedule == "step" else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain values, the way they come back from JSON or YAML."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "TrainingSettings":
        """From what `to_dict` gave, now or under former names; other keys are ignored.

        Raises:
            SettingsError: a value is not possible.
        """
        names = {spec.name for spec in fields(cls)}
        values = {name: value for name, value in with_current_names(record).items() if name in names}
        for name, value in values.items():
            if name == "freeze" and value in (None, "none"):
                values[name] = ()
            elif name == "augment" and isinstance(value, str) and value not in get_args(AugmentationPreset):
                values[name] = Path(value)
            elif isinstance(value, list):
                values[name] = tuple(value)
            elif isinstance(value, Mapping):
                values[name] = MatchingCosts(**value) if name == "costs" else LossWeights(**value)
        return cls(**values)


def replaced(before: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """``named`` over the settings ``before``, without those that it supersedes."""
    set_here = (name for name, value in named.items() if value is not None)
    superseded = {other for name in set_here for other in TrainingOptions.SUPERSEDES.get(name, ())}
    return {name: value for name, value in before.items() if name not in superseded} | dict(named)


def _one_of(name: str, value: object, words: tuple[str, ...]) -> None:
    if value not in words:
        raise SettingsError(f"is {value!r}, expected one of {', '.join(words)}", item=name)


def _above_zero(name: str, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise SettingsError(f"is {value}, expected a number above 0", item=name)


def _at_least(name: str, value: object, least: int) -> None:
    if not isinstance(value, int | float) or not (math.isfinite(value) and value >= least):
        raise SettingsError(f"is {value!r}, expected a number of at least {least}", item=name)
