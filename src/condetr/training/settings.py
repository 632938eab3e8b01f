"""Everything a training run can be told. The defaults are the paper's recipe."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Literal, get_args

from condetr.core.errors import SettingsError
from condetr.core.names import with_current_names
from condetr.data.augmentation import Preset
from condetr.losses.set_loss import LossWeights
from condetr.matching.costs import MatchingCosts
from condetr.prediction.tasks import Task
from condetr.training.optimization.freezing import Part
from condetr.training.optimization.mixed_precision import Name as PrecisionName
from condetr.training.optimization.schedule import Shape

_AT_LEAST = {
    **dict.fromkeys(("epochs", "accumulate", "query_groups", "evaluate_every"), 1),
    **dict.fromkeys(("warmup", "patience", "save_every", "workers", "overfit", "pretrain_backbone", "seed", "clip"), 0),
    **dict.fromkeys(("lr", "lr_backbone", "weight_decay"), 0),
}


_ONE_OF = {
    "task": get_args(Task),
    "schedule": get_args(Shape),
    "precision": get_args(PrecisionName),
    "augment": get_args(Preset),
    "non_finite": ("skip", "stop"),
    "unreadable": ("skip", "stop"),
}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    task: Annotated[Task, "what to learn: boxes (detect), masks (instance) or every pixel (panoptic)"] = "detect"
    epochs: Annotated[int, "times that every image is seen"] = 50
    batch: Annotated[Literal["auto"] | int, "images of a process at once; auto: as many as fit, at most 16"] = 2
    accumulate: Annotated[int, "batches to add up before each step"] = 1
    lr: Annotated[float, "learning rate"] = 1e-4
    lr_backbone: Annotated[float, "learning rate of the backbone; 0 freezes it"] = 1e-5
    weight_decay: Annotated[float, "pull of the weights towards 0"] = 1e-4
    decay_norms: Annotated[bool, "whether norms and biases are pulled, too"] = True
    schedule: Annotated[Shape, "how the learning rate falls"] = "step"
    decay_at: Annotated[float | None, "share of the training after which it falls; step: 0.8, others: 0"] = None
    warmup: Annotated[int, "steps in which it rises first"] = 0
    clip: Annotated[float, "longest gradient; 0: any"] = 0.1
    freeze: Annotated[tuple[Part, ...], "parts that stay as they are; none for a network that knows nothing"] = (
        "early",
    )
    ema: Annotated[float, "memory of the average of the weights, 0.999 say; 0: no average"] = 0.0
    precision: Annotated[PrecisionName, "of the network; weights and losses stay fp32"] = "fp32"
    recompute: Annotated[bool, "compute layers twice and keep less in memory"] = False
    image_size: Annotated[int | None, "shorter edge in pixels; the model's own unless given"] = None
    max_size: Annotated[int | None, "bound of the longer edge; the model's own unless given"] = None
    augment: Annotated[Preset, "how images are varied"] = "detr"
    flip: Annotated[float | None, "chance of mirroring, 0 for text and digits; the preset's unless given"] = None
    query_groups: Annotated[int, "sets of queries while training (Group DETR)"] = 1
    patience: Annotated[int, "evaluations without a better result before it ends; 0: never"] = 0
    evaluate_every: Annotated[int, "epochs between evaluations"] = 1
    save_every: Annotated[int, "steps between checkpoints, besides those of every epoch; 0: none"] = 0
    workers: Annotated[int, "processes that read images; 0: the training process itself"] = 2
    log: Annotated[tuple[str, ...], "trackers besides the files, for example tensorboard"] = ()
    pretrain_backbone: Annotated[
        int, "backbone pretraining steps (per-cell classification), for training from random weights"
    ] = 0
    overfit: Annotated[int, "learn this many images by heart, to see whether anything is learned; 0: all"] = 0
    non_finite: Annotated[Literal["skip", "stop"], "what to do about a loss or gradient that is not finite"] = "skip"
    unreadable: Annotated[Literal["skip", "stop"], "what to do about an image that cannot be read"] = "skip"
    allow_changed_data: Annotated[bool, "go on although the data set is not the one it began with"] = False
    seed: Annotated[int, "start of every random number"] = 0
    costs: MatchingCosts = field(default_factory=MatchingCosts)
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        for name, known in _ONE_OF.items():
            _one_of(name, getattr(self, name), known)
        for part in self.freeze:
            _one_of("freeze", part, get_args(Part))
        for name, least in _AT_LEAST.items():
            _at_least(name, getattr(self, name), least)
        if self.batch != "auto":
            _at_least("batch", self.batch, 1)
        for name in ("image_size", "max_size"):
            if getattr(self, name) is not None:
                _at_least(name, getattr(self, name), 1)
        for name, most in (("ema", 1), ("decay_at", 1)):
            value = getattr(self, name) or 0
            if not 0 <= value < most:
                raise SettingsError(f"is {value}, expected at least 0 and less than {most}", item=name)
        if self.flip is not None and not 0 <= self.flip <= 1:
            raise SettingsError(f"is {self.flip}, expected a chance from 0 to 1", item="flip")

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
            if isinstance(value, list):
                values[name] = tuple(value)
            elif isinstance(value, Mapping):
                values[name] = MatchingCosts(**value) if name == "costs" else LossWeights(**value)
        return cls(**values)


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(f"is {value!r}, expected one of {', '.join(known)}", item=name)


def _at_least(name: str, value: object, least: int) -> None:
    if not isinstance(value, int | float) or not (math.isfinite(value) and value >= least):
        raise SettingsError(f"is {value!r}, expected a number of at least {least}", item=name)
