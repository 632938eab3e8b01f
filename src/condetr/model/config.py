"""The architecture of the network: no paths, devices, losses or learning rates.

Field names are those of a Hugging Face config.json if it has the field.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, no_type_check

from condetr.core.errors import SettingsError

ACTIVATIONS = ("relu", "gelu", "gelu_new", "gelu_pytorch_tanh", "silu", "swish", "leaky_relu", "elu", "tanh")


@no_type_check  # __post_init__ checks, with readable errors
@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetDescription:
    """The shape of a ResNet; those of timm and torchvision are in ``resnet_names.py`` by name.

    Attributes:
        block: two 3x3 convolutions, or 1x1, 3x3, 1x1.
        depths: blocks in each stage.
        widths: output channels of each stage.
        inner_widths: channels inside the blocks of each stage; None: ``widths``, or a quarter of them in bottlenecks.
        stem_widths: channels of the stem: one for a 7x7 convolution, three for the deep stem of 3x3 ones.
        shortcut: of blocks that change the shape: a strided 1x1 convolution, or average pooling before an unstrided
            one (the "d" variants).
        stride_in: the convolution of a bottleneck that has the stride.
        first_stage_stride: 1, or 2 for the rare network that downsamples in every stage.
        output_stride: pixels per cell of the last stage; 16 (the paper's DC5) or 8 use dilation instead of strides.
        activation: of the stem and of each block's sum, see ``activation.py``; inside the blocks it is ReLU.
        in_channels: channels of the image.
    """

    block: Literal["basic", "bottleneck"] = "bottleneck"
    depths: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    inner_widths: tuple[int, ...] | None = None
    stem_widths: tuple[int, ...] = (64,)
    shortcut: Literal["convolution", "average"] = "convolution"
    stride_in: Literal["1x1", "3x3"] = "3x3"
    first_stage_stride: Literal[1, 2] = 1
    output_stride: int | None = None
    activation: str = "relu"
    in_channels: int = 3

    def __post_init__(self) -> None:
        _one_of("block", self.block, ("basic", "bottleneck"))
        _one_of("shortcut", self.shortcut, ("convolution", "average"))
        _one_of("stride_in", self.stride_in, ("1x1", "3x3"))
        _one_of("activation", self.activation, ACTIVATIONS)
        for name in ("depths", "widths", "stem_widths"):
            _positive_integers(name, getattr(self, name))
        _positive("in_channels", self.in_channels)
        if self.inner_widths is None and self.block == "bottleneck" and min(self.widths) < 4:
            raise SettingsError(
                f"{self.widths} leave no channel inside a bottleneck, expected at least 4", item="widths"
            )
        if self.inner_widths is not None:
            _positive_integers("inner_widths", self.inner_widths)
        if self.first_stage_stride not in (1, 2):
            raise SettingsError(f"is {self.first_stage_stride!r}, expected 1 or 2", item="first_stage_stride")
        if len(self.depths) != len(self.widths) or len(self.depths) != len(self.inner_widths or self.depths):
            raise SettingsError(f"{len(self.depths)} depths and {len(self.widths)} widths", item="backbone")
        if len(self.stem_widths) not in (1, 3):
            raise SettingsError(f"has {len(self.stem_widths)} entries, expected 1 or 3", item="stem_widths")
        if self.output_stride not in (None, 8, 16, 32):
            raise SettingsError(f"is {self.output_stride}, expected 8, 16 or 32", item="output_stride")
        # Values without effect become None, so that equal networks have equal descriptions.
        if self.output_stride is not None and self.output_stride >= self._undilated_stride:
            object.__setattr__(self, "output_stride", None)
        squeeze = 4 if self.block == "bottleneck" else 1
        if self.inner_widths == tuple(width // squeeze for width in self.widths):
            object.__setattr__(self, "inner_widths", None)

    @property
    def stride(self) -> int:
        """Pixels per cell of the last stage."""
        return self.output_stride or self._undilated_stride

    @property
    def _undilated_stride(self) -> int:
        return 4 * self.first_stage_stride * 2 ** (len(self.depths) - 1)


@no_type_check  # __post_init__ checks, with readable errors
@dataclass(frozen=True, slots=True, kw_only=True)
class TimmDescription:
    """A backbone that timm builds by name, for everything other than ResNets; `named_backbone` finds its stages.

    Attributes:
        name: of the architecture, without the tag of pretrained weights.
        out_indices: the stages whose maps are used, in timm's ``feature_info``.
        output_stride: pixels per cell of the last stage, where timm can dilate the architecture.
        norm_activations: off in checkpoints of transformers, which drops the activation inside timm's norms when it
            freezes them.
        norm_epsilon: of the frozen norms; None: that of the architecture. It is 1e-5 in checkpoints of transformers.
        in_channels: channels of the image.
    """

    name: str
    out_indices: tuple[int, ...] = (1, 2, 3, 4)
    output_stride: int | None = None
    norm_activations: bool = True
    norm_epsilon: float | None = None
    in_channels: int = 3


@no_type_check  # __post_init__ checks, with readable errors
@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """What training from random weights can choose; the defaults are the paper's."""

    backbone: ResNetDescription | TimmDescription = field(default_factory=ResNetDescription)
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

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            if spec.type is int:
                _positive(spec.name, value, least=0 if spec.name == "encoder_layers" else 1)
            elif spec.type is float:
                _probability(spec.name, value)
            elif spec.type is bool and type(value) is not bool:
                raise SettingsError(f"is {value!r}, expected true or false", item=spec.name)
        _one_of("activation_function", self.activation_function, ACTIVATIONS)
        _one_of("position_embedding_type", self.position_embedding_type, ("sine", "learned"))
        if self.d_model % 2:
            raise SettingsError(f"is {self.d_model}, expected an even number", item="d_model")
        for name in ("encoder_attention_heads", "decoder_attention_heads"):
            heads = getattr(self, name)
            if self.d_model % heads:
                raise SettingsError(f"d_model={self.d_model} is not divisible by {heads} heads", item=name)

    def with_classes(self, count: int) -> "DetectorConfig":
        return DetectorConfig(**{spec.name: getattr(self, spec.name) for spec in fields(self)}, num_labels=count)


@no_type_check  # __post_init__ checks, with readable errors
@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig(NetworkConfig):
    """The detector, including its backbone.

    ``carry_norm`` reproduces checkpoints that transformers fine-tuned with ``auxiliary_loss=True``: there the
    normalized embeddings, not the raw ones, are the input of the next decoder layer. The paper has it off.
    ``masks_in_boxes`` cuts off the mask of each query at its box; the paper's masks cover the whole image.
    """

    num_labels: int = 91
    carry_norm: bool = False
    masks_in_boxes: bool = False


def _one_of(name: str, value: Any, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        raise SettingsError(f"is {value!r}, expected one of {', '.join(known)}", item=name)


def _positive(name: str, value: Any, least: int = 1) -> None:
    if type(value) is not int or value < least:
        raise SettingsError(f"is {value!r}, expected a whole number of at least {least}", item=name)


def _positive_integers(name: str, values: Any) -> None:
    if not isinstance(values, tuple) or not values or any(type(v) is not int or v < 1 for v in values):
        raise SettingsError(f"is {values!r}, expected whole numbers of at least 1", item=name)


def _probability(name: str, value: Any) -> None:
    if type(value) not in (int, float) or not 0 <= value < 1:
        raise SettingsError(f"is {value!r}, expected a probability in [0, 1)", item=name)
