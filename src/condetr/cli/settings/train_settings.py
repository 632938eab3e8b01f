"""The options of ``condetr train``: those of training, where the model and the data come from, and the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.network_settings import BESIDE_MODEL, NetworkSettings
from condetr.cli.settings.recipe import recipe_file
from condetr.cli.settings.settings_tree import flag_of, read_settings
from condetr.core.errors import SettingsError
from condetr.core.names import IMAGENET, RANDOM_WEIGHTS, FreezablePart, Size
from condetr.training.run.resumption import is_resumed
from condetr.training.settings import TrainingOptions, TrainingSettings
from condetr.workflows.defaults import CHOSEN

PRETRAINED = 1e-5  # learning rate of the paper's backbone, which was trained on ImageNet
_NEVER_NONE = ("lr_backbone", "freeze", "seed")
_LEAVE_OUT = "leave it out, or begin a new run with another --output"


def _has_settings(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


@dataclass(frozen=True, kw_only=True)
class RunSettings(CommonSettings):
    model: Annotated[
        str | None, "fine-tune this hub id, bundled model, folder or weights file, or none; default: the best available"
    ] = None
    size: Annotated[
        Size | None, "fine-tune the model of this size, see `condetr models`; with --model none, its network"
    ] = None
    revision: Annotated[str | None, "branch, tag or commit of a hub id"] = None
    recipe: Annotated[str | None, "settings of a recipe by name or file, under all others; see `condetr recipes`"] = (
        None
    )
    split: Annotated[str | None, "training split; default: train, or the only one"] = None
    validation: Annotated[str | None, "validation split, or none; default: val, or a tenth held out"] = None
    output: Annotated[Path | None, "run folder; default: runs/train"] = None
    resume: Annotated[
        bool | Literal["auto"], "resume the run in the output folder; --resume auto: begin if there is none"
    ] = False


@dataclass(frozen=True, kw_only=True)
class TrainSettings(TrainingOptions, RunSettings):
    lr_backbone: Annotated[float | None, "learning rate of the backbone; 0 freezes it"] = None
    freeze: Annotated[
        tuple[FreezablePart, ...] | Literal["auto", "none"] | None,
        "modules to freeze, or none; auto: early if the backbone is pretrained",
    ] = "auto"
    CHOSEN: ClassVar[frozenset[str]] = CHOSEN
    PANELS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Model": (
            *("model", "size", "revision", "task", "network.backbone.name", "network.backbone.weights"),
            *("masks_in_boxes", "freeze", "freeze_steps", "pretrain_backbone"),
        ),
        "Data": ("split", "validation", "image_size", "max_size", "repeat_factor", "workers", "overfit", "unreadable"),
        "Augmentation": ("augment", "flip", "flip_vertical", "quarter_turns", "min_visibility"),
        "Length and schedule": (
            *("minutes", "steps", "epochs", "schedule", "decay_at", "warmup", "patience", "evaluate_every"),
        ),
        "Optimization": (
            *("batch", "accumulate", "lr", "lr_backbone", "reference_batch", "weight_decay", "decay_norms", "clip"),
            *("ema", "precision", "recompute", "non_finite"),
        ),
        "More supervision": (
            *("query_groups", "one_to_many", "dense_aux", "dense_until", "iou_aware", "teacher", "teacher_weight"),
        ),
        "Output": ("output", "recipe", "resume", "allow_changed_data", "save_every", "log"),
    }
    REPLACES: ClassVar[dict[str, str]] = {"model": "network", "size": "network"}  # of a recipe
    network: NetworkSettings = field(default_factory=NetworkSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resume and self.output is None:
            raise SettingsError("needs the folder of the run to resume", item="resume", hint="give --output")
        fixed = self.network.fixed_by_model()
        if self.size is not None and fixed:
            raise SettingsError(
                "is that of the size", item="network", hint=f"leave out {', '.join(fixed)}, or the size"
            )
        if self.network.backbone.name is not None:  # it takes the place of the model's
            fixed = [name for name in fixed if name != "backbone"]
        if not self.is_random and fixed:
            hint = f"leave out {', '.join(fixed)}; only {', '.join(BESIDE_MODEL)} and a named backbone can change"
            if self.resume:
                hint = "leave out what the run did not begin with"
            reason = "describes a network to train from random weights; it cannot be combined with model"
            raise SettingsError(reason, item="network", hint=hint)
        if self.network.backbone.in_channels != 3:
            reason = f"is {self.network.backbone.in_channels}, expected 3: images are RGB"
            raise SettingsError(reason, item="network.backbone.in_channels")

    @property
    def resumes(self) -> bool:
        """Whether there is a run to continue, for ``auto`` and after a launcher's restart."""
        return is_resumed(self.output, self.resume)

    @property
    def is_random(self) -> bool:
        """Whether the training begins with random weights; without a model that is only so once one was looked for."""
        return self.model in (None, RANDOM_WEIGHTS)

    def beneath(self) -> Path | None:
        """The recipe, or the config.yaml of a run that is resumed: only what changes has to be given again."""
        if self.resumes:
            stored = None if self.output is None else self.output / "config.yaml"
            return stored if stored is not None and stored.is_file() else None
        return None if self.recipe is None else recipe_file(self.recipe)

    def check_resumed(self) -> None:
        """Raises SettingsError where a run is resumed with another model, split or network than it began with."""
        if not self.resumes or (stored := self.beneath()) is None:
            return
        begun = read_settings(TrainSettings, file=stored)
        names = ["revision", "split"]
        if not (self.is_random and begun.is_random):
            names.append("model")
        elif self.size != begun.size:
            names.append("size")
        for name in names:
            if getattr(self, name) != getattr(begun, name):
                reason = f"is {getattr(self, name)}, but the run began with {getattr(begun, name)}"
                raise SettingsError(reason, source=stored, item=name, hint=_LEAVE_OUT)
        differing = [f"{name} {now} for {before}" for name, now, before in self.network.changes_from(begun.network)]
        if differing:
            reason = f"is not what the run began with: {'; '.join(differing)}"
            raise SettingsError(reason, source=stored, item="network", hint=_LEAVE_OUT)

    def check_backbone(self) -> None:
        """Refuse a backbone by a name that there is not, or weights in a file that does not exist, before other work.

        Raises:
            CondetrError: names what is missing.
        """
        backbone = self.network.backbone
        if self.resumes or not (self.is_random or backbone.name is not None):
            return
        backbone.description()
        if (
            backbone.is_pretrained
            and backbone.weights != IMAGENET
            and not Path(str(backbone.weights)).expanduser().exists()
        ):
            reason = f"is {backbone.weights}, which does not exist; expected imagenet, a file, or none"
            raise SettingsError(reason, item=flag_of("network.backbone.weights"))

    def notes(self) -> list[str]:
        """What was decided about options that were not given."""
        if self.resumes and (stored := self.output and self.output / "config.yaml") and not _has_settings(stored):
            return [f"{stored} is missing or empty: what is not given again has its default"]
        if not self.is_random or self.resumes:
            return []
        if self.network.backbone.is_pretrained:
            return ["only the backbone has pretrained weights; use --model to fine-tune a detector"]
        return ["training from random weights; use --model to fine-tune"]

    def training(self) -> TrainingSettings:
        """The settings of the training itself, with what depends on whether there is a model."""
        shared = {spec.name: getattr(self, spec.name) for spec in fields(TrainingOptions)}
        pretrained = not self.is_random or self.network.backbone.is_pretrained
        lr_backbone = PRETRAINED if pretrained else self.lr
        freeze: tuple[FreezablePart, ...] = ("early",) if pretrained and self.freeze == "auto" else ()
        return TrainingSettings(
            **shared,
            lr_backbone=lr_backbone if self.lr_backbone is None else self.lr_backbone,
            freeze=self.freeze if isinstance(self.freeze, tuple) else freeze,
            seed=self.seed or 0,
        )

    def named_training(self) -> dict[str, Any]:
        """The settings of the training itself that are in a file or option; the others are chosen to fit."""
        named = {path.partition(".")[0] for path in self.named}
        values = {spec.name: getattr(self, spec.name) for spec in fields(TrainingSettings) if spec.name in named}
        values = {name: value for name, value in values.items() if value is not None or name not in _NEVER_NONE}
        values.pop("freeze", None)
        if self.freeze != "auto":
            values["freeze"] = self.freeze if isinstance(self.freeze, tuple) else ()
        elif self.is_random and self.network.backbone.is_pretrained:
            values["freeze"] = ("early",)
        return values
