"""What ``condetr train`` can be told: the fields of ``TrainingSettings`` and of ``DetectorConfig``, spelled out here.

Those lie beside PyTorch, which no command line waits for before it is understood; a test compares them.
"""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.settings_tree import read_settings
from condetr.cli.settings.shared import Task, is_count
from condetr.core.errors import SettingsError

if TYPE_CHECKING:
    from condetr.model.config import DetectorConfig
    from condetr.training.settings import TrainingSettings

PRETRAINED = 1e-5  # learning rate of the paper's backbone, which was trained on ImageNet
_LEAVE_OUT = "leave it out, or begin a new run with another --output"


def _has_settings(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


@dataclass(frozen=True, kw_only=True)
class BackboneSettings:
    block: Literal["basic", "bottleneck"] = "bottleneck"
    depths: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    inner_widths: tuple[int, ...] | None = None
    stem_widths: tuple[int, ...] = (64,)
    shortcut: Literal["convolution", "average"] = "convolution"
    stride_in: Literal["1x1", "3x3"] = "3x3"
    first_stage_stride: int = 1
    output_stride: int | None = None
    activation: str = "relu"


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """A network to begin afresh; the paper's unless told otherwise."""

    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    num_queries: int = 300
    d_model: int = 256
    encoder_layers: int = 6
    encoder_attention_heads: int = 8
    encoder_ffn_dim: int = 2048
    encoder_layerdrop: float = 0.0
    decoder_layers: int = 6
    decoder_attention_heads: int = 8
    decoder_ffn_dim: int = 2048
    decoder_layerdrop: float = 0.0
    activation_function: str = "relu"
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    position_embedding_type: Literal["sine", "learned"] = "sine"

    def config(self, classes: int) -> "DetectorConfig":
        from condetr.model.config import DetectorConfig, ResNetDescription

        try:
            backbone = ResNetDescription(**asdict(self.backbone))
        except SettingsError as error:
            raise error.at(item=f"network.backbone.{error.item}") from error
        try:
            return DetectorConfig(**{**asdict(self), "backbone": backbone, "num_labels": classes})
        except SettingsError as error:
            raise error.at(item=f"network.{error.item}") from error


@dataclass(frozen=True, kw_only=True)
class CostSettings:
    classes: float = 2.0
    boxes: float = 5.0
    giou: float = 2.0


@dataclass(frozen=True, kw_only=True)
class WeightSettings(CostSettings):
    alpha: float = 0.25
    masks: float = 1.0
    dice: float = 1.0


@dataclass(frozen=True, kw_only=True)
class TrainSettings(CommonSettings):
    model: Annotated[str | None, "begin with this hub id, folder or weights file; else afresh, as in network"] = None
    revision: Annotated[str | None, "branch, tag or commit, for a hub id"] = None
    split: Annotated[str | None, "part of the data to learn from; else train, or the only one"] = None
    validation: Annotated[str | None, "part to measure on, or none; else val, or a tenth that is kept aside"] = None
    task: Annotated[Task, "what to learn: boxes (detect), masks (instance) or every pixel (panoptic)"] = "detect"
    epochs: Annotated[int, "times that every image is seen"] = 50
    batch: Annotated[str | int, "images of a process at once; auto: as many as fit, at most 16"] = 2
    accumulate: Annotated[int, "batches to add up before each step"] = 1
    lr: Annotated[float, "learning rate"] = 1e-4
    lr_backbone: Annotated[
        float | None, "learning rate of the backbone, 0 freezes it; else 1e-5 with a model, lr without"
    ] = None
    weight_decay: Annotated[float, "pull of the weights towards 0"] = 1e-4
    decay_norms: Annotated[bool, "whether norms and biases are pulled, too"] = True
    schedule: Annotated[Literal["step", "cosine", "linear", "constant"], "how the learning rate falls"] = "step"
    decay_at: Annotated[float | None, "share of the training after which it falls; step: 0.8, others: 0"] = None
    warmup: Annotated[int, "steps in which it rises first"] = 0
    clip: Annotated[float, "longest gradient; 0: any"] = 0.1
    freeze: Annotated[
        tuple[Literal["early", "backbone", "encoder", "decoder", "head", "detector"], ...] | None,
        "parts that stay as they are; else early with a model, none without",
    ] = None
    ema: Annotated[float, "memory of the average of the weights, 0.999 say; 0: no average"] = 0.0
    precision: Annotated[Literal["fp32", "bf16", "fp16"], "of the network; weights and losses stay fp32"] = "fp32"
    recompute: Annotated[bool, "compute layers twice and keep less in memory"] = False
    image_size: Annotated[int | None, "shorter edge in pixels; the model's own unless given"] = None
    max_size: Annotated[int | None, "bound of the longer edge; the model's own unless given"] = None
    augment: Annotated[Literal["none", "light", "detr", "strong"], "how images are varied"] = "detr"
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
    output: Annotated[Path | None, "folder of the run; else runs/train"] = None
    resume: Annotated[bool, "go on with the run in the output folder"] = False
    network: NetworkSettings = field(default_factory=NetworkSettings)
    costs: CostSettings = field(default_factory=CostSettings)
    weights: WeightSettings = field(default_factory=WeightSettings)

    def __post_init__(self) -> None:
        if self.resume and self.output is None:
            raise SettingsError("needs the folder to go on with", item="resume", hint="give --output")
        if self.model is not None and self.network != NetworkSettings():
            hint = "leave out what the run did not begin with" if self.resume else None
            reason = "is for a model that begins afresh; it cannot be combined with model"
            raise SettingsError(reason, item="network", hint=hint)
        if self.batch != "auto" and not is_count(str(self.batch)):
            raise SettingsError(f"is {self.batch!r}, expected a whole number or auto", item="batch")

    def beneath(self) -> Path | None:
        """A run that goes on is told again only what is to be different."""
        stored = None if self.output is None else self.output / "config.yaml"
        return stored if self.resume and stored is not None and stored.is_file() else None

    def check_resumed(self) -> None:
        """Raises SettingsError where a run is to go on from something else than it began with."""
        if (stored := self.beneath()) is None:
            return
        begun = read_settings(TrainSettings, file=stored)
        for name in ("model", "revision", "split"):
            if getattr(self, name) != getattr(begun, name):
                reason = f"is {getattr(self, name)}, but the run began with {getattr(begun, name)}"
                raise SettingsError(reason, source=stored, item=name, hint=_LEAVE_OUT)
        ours, theirs = asdict(self.network), asdict(begun.network)
        differing = [f"{name} {ours[name]} for {theirs[name]}" for name in ours if ours[name] != theirs[name]]
        if differing:
            reason = f"is not what the run began with: {'; '.join(differing)}"
            raise SettingsError(reason, source=stored, item="network", hint=_LEAVE_OUT)

    def notes(self) -> list[str]:
        """What was decided about things that were left open."""
        if self.resume and (stored := self.output and self.output / "config.yaml") and not _has_settings(stored):
            return [f"{stored} is missing or empty: what is not given again has its default"]
        if self.model is not None or self.resume:
            return []
        said = ["begins with a new network that knows nothing (--model begins with a trained one)"]
        if self.lr_backbone is None:
            said.append(f"its backbone learns as fast as the rest, at {self.lr:g}; 1e-5 is for one that was trained")
        return said

    def training(self) -> "TrainingSettings":
        """What the training itself is told."""
        from condetr.losses.set_loss import LossWeights
        from condetr.matching.costs import MatchingCosts
        from condetr.training.settings import TrainingSettings

        known = {spec.name for spec in fields(TrainingSettings)}
        given: dict[str, Any] = {name: value for name, value in vars(self).items() if name in known}
        given["batch"] = "auto" if self.batch == "auto" else int(self.batch)
        given["seed"] = self.seed or 0
        given["costs"], given["weights"] = MatchingCosts(**asdict(self.costs)), LossWeights(**asdict(self.weights))
        if self.freeze is None:
            given["freeze"] = () if self.model is None else ("early",)
        if self.lr_backbone is None:
            given["lr_backbone"] = self.lr if self.model is None else PRETRAINED
        return TrainingSettings(**given)
