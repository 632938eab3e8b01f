"""ConditionalDetrConfig: the flat config of transformers, with its names, defaults and both forms of backbone."""

import json
import logging
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from condetr.checkpoints.config.config_json import OWN, SplitConfig, join_config, split_config
from condetr.checkpoints.keys import Layout
from condetr.core.errors import CheckpointError, SettingsError
from condetr.hf.config.backbone_config import BackboneConfig
from condetr.hf.config.labels import LABELS
from condetr.hf.config.stored_config import EVERY_MODEL, StoredConfig
from condetr.hf.models.attention_choice import check_attention
from condetr.hf.pushing import SavedFile
from condetr.model.config import ResNetDescription, TimmDescription
from condetr.model.timm_norms import PEERS_EPSILON

log = logging.getLogger(__name__)


@dataclass(init=False, repr=False, eq=False)
class ConditionalDetrConfig(StoredConfig, SavedFile):
    """The architecture of a Conditional DETR, its matching costs and loss weights.

    A backbone is named (``use_timm_backbone=True, backbone="resnet50"``) or described: ``backbone_config`` is a dict
    or any object with ``to_dict()``, whose ``model_type`` is ``"resnet"`` or ``"timm_backbone"``; it overrides a name.
    A dict without ``model_type`` is a ResNet, or of timm with ``use_timm_backbone=True``. A model constructed with
    ``use_pretrained_backbone=True`` begins with the weights that timm has for the backbone.
    Unknown settings are kept and written back. Values that make no network are refused by the models, with a
    `SettingsError`.

    Four settings are condetr's own: ``carry_norm`` reproduces checkpoints that transformers fine-tuned with
    ``auxiliary_loss=True`` (there the flag alters predictions), ``masks_in_boxes`` cuts off the mask of each query at
    its box, ``source_ids`` are the class ids of the dataset, and
    ``transformers_norms`` reproduces checkpoints of transformers with a timm backbone, whose norms it freezes without
    their activations and with epsilon 1e-5. It is set for files that say no more about the norms; a new model keeps
    the norms of its architecture.
    """

    model_type: ClassVar[str] = "conditional_detr"
    file_name: ClassVar[str] = "config.json"
    attribute_map: ClassVar[dict[str, str]] = {
        "hidden_size": "d_model",
        "num_attention_heads": "encoder_attention_heads",
        "num_hidden_layers": "encoder_layers",
        "torch_dtype": "dtype",
        "_name_or_path": "name_or_path",
    }
    synonyms: ClassVar[tuple[tuple[str, ...], ...]] = (
        (*LABELS, "source_ids"),
        ("backbone", "backbone_config", "backbone_kwargs", "use_timm_backbone"),
    )

    use_timm_backbone: bool = True
    backbone_config: Any = None
    num_channels: int = 3
    num_queries: int = 300
    encoder_layers: int = 6
    encoder_ffn_dim: int = 2048
    encoder_attention_heads: int = 8
    decoder_layers: int = 6
    decoder_ffn_dim: int = 2048
    decoder_attention_heads: int = 8
    encoder_layerdrop: float = 0.0
    decoder_layerdrop: float = 0.0
    is_encoder_decoder: bool = True
    activation_function: str = "relu"
    d_model: int = 256
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    init_std: float = 0.02
    init_xavier_std: float = 1.0
    auxiliary_loss: bool = False
    position_embedding_type: str = "sine"
    backbone: str | None = "resnet50"
    use_pretrained_backbone: bool = False
    dilation: bool = False
    class_cost: float = 2
    bbox_cost: float = 5
    giou_cost: float = 2
    mask_loss_coefficient: float = 1
    dice_loss_coefficient: float = 1
    cls_loss_coefficient: float = 2
    bbox_loss_coefficient: float = 5
    giou_loss_coefficient: float = 2
    focal_alpha: float = 0.25
    carry_norm: bool = False
    masks_in_boxes: bool = False
    source_ids: tuple[int, ...] | None = None
    transformers_norms: bool = False

    def __init__(self, *settings: Any, **named: Any) -> None:
        stored = {name: named.pop(name) for name in ("transformers_version", OWN) if name in named}
        wants_timm = bool(settings and settings[0]) or bool(named.get("use_timm_backbone"))
        check_attention(named.pop("attn_implementation", None))
        super().__init__(*settings, **named)
        if isinstance(self.backbone_config, Mapping):
            kind = {"model_type": "timm_backbone"} if wants_timm else {}
            self.backbone_config = BackboneConfig(**kind | dict(self.backbone_config))
        if self.backbone_config is not None:
            if getattr(self.backbone_config, "use_pretrained_backbone", False):
                self.use_pretrained_backbone = True
            self.use_timm_backbone = self.backbone_config.model_type == "timm_backbone"
            if wants_timm and not self.use_timm_backbone:
                log.warning(
                    "use_timm_backbone=True has no effect: backbone_config overrides it with a %s",
                    self.backbone_config.model_type,
                )
        elif not self.use_timm_backbone:
            self.backbone_config = BackboneConfig(out_features=["stage4"])
        if self.source_ids is not None:
            self.source_ids = tuple(self.source_ids)
        if stored:  # from a file: what its auxiliary_loss means depends on who wrote it
            overrides = {"carry_norm": self.carry_norm} if "carry_norm" in named else {}
            split = split_config(self.to_dict() | stored, overrides=overrides)
            self.carry_norm, self.source_ids = split.config.carry_norm, split.source_ids
            self.auxiliary_loss = split.flat.get("auxiliary_loss", False)
            if "transformers_norms" not in named:
                self.transformers_norms = _as_transformers(split.config.backbone)

    def split(self) -> SplitConfig:
        """The network, its class names, and the rest.

        Raises:
            SettingsError: the values make no network.
        """
        raw = {name: value for name, value in self.to_dict().items() if value != EVERY_MODEL.get(name, MISSING)}
        raw.pop("name_or_path", None)  # its source is no setting
        ids, own = raw.pop("source_ids"), {"carry_norm": raw.pop("carry_norm")}
        keeps_norms = not raw.pop("transformers_norms")
        if ids is not None:
            own["source_ids"] = ids
        try:
            split = split_config(raw | {OWN: own})
        except CheckpointError as error:
            raise error.at(source=type(self).__name__, kind=SettingsError) from None
        backbone = split.config.backbone
        if keeps_norms and isinstance(backbone, TimmDescription) and _as_transformers(backbone):
            backbone = replace(backbone, norm_activations=True, norm_epsilon=None)
        return replace(split, config=replace(split.config, backbone=backbone))

    @property
    def backbone_name(self) -> str | None:
        """The name of timm, with the tag of its weights if there is one; None where the backbone is described."""
        if self.backbone_config is None:
            return self.backbone or "resnet50"
        return getattr(self.backbone_config, "backbone", None)

    @property
    def layout(self) -> Layout:
        """How the backbone's tensors are named in a state dict."""
        return "resnet" if getattr(self.backbone_config, "model_type", None) == "resnet" else "timm"

    @classmethod
    def from_split(cls, split: SplitConfig) -> "ConditionalDetrConfig":
        """The config of a network; the inverse of `split`."""
        return cls(**join_config(split))

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> None:  # noqa: FBT001, FBT002  transformers' signature
        """Write ``config.json`` into a folder, which is created if missing; see `push_to_hub` for ``kwargs``."""
        self._save(save_directory, push_to_hub=push_to_hub, **kwargs)

    def _write(self, path: Path) -> None:
        path.write_text(json.dumps(join_config(self.split()), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _as_transformers(backbone: ResNetDescription | TimmDescription) -> bool:
    """Whether it is a backbone of timm whose norms are frozen as transformers does."""
    return isinstance(backbone, TimmDescription) and (
        (backbone.norm_activations, backbone.norm_epsilon) == (False, PEERS_EPSILON)
    )
