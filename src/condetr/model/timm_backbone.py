"""Any backbone of timm, with the interface of our ResNet. Needs the ``timm`` extra."""

from typing import Any

from torch import nn

from condetr.core.errors import MissingExtraError, SettingsError
from condetr.core.shapes import FeatureMap, Pixels
from condetr.model.config import TimmDescription
from condetr.model.frozen_norm import FrozenBatchNorm


class TimmBackbone(nn.Module):
    def __init__(self, description: TimmDescription) -> None:
        super().__init__()
        try:
            import timm
        except ImportError:
            raise MissingExtraError("timm", "timm", f"the backbone {description.name!r}") from None
        if "/" in description.name or not timm.is_model(description.name):
            raise SettingsError(
                f"timm has no architecture {description.name!r}", item="backbone", hint="timm.list_models() lists them"
            )
        # Some architectures do not accept the argument, so it is only passed if it is set.
        stride: dict[str, Any] = (
            {} if description.output_stride is None else {"output_stride": description.output_stride}
        )
        try:
            self.network = timm.create_model(
                description.name,
                pretrained=False,
                features_only=True,
                out_indices=description.out_indices,
                in_chans=description.in_channels,
                **stride,
            )
        except (AssertionError, RuntimeError, ValueError, TypeError, LookupError) as error:
            raise SettingsError(
                f"timm cannot build {description.name!r} with stages {description.out_indices} and output stride"
                f" {description.output_stride}: {error}",
                item="backbone",
            ) from error
        _freeze_norms(self.network, keep_activations=description.norm_activations)
        stages: Any = self.network.feature_info
        self.widths: tuple[int, ...] = tuple(stages.channels())
        self.stride: int = stages.reduction()[-1]

    def forward(self, pixels: Pixels) -> tuple[FeatureMap, ...]:
        return tuple(self.network(pixels))


class FrozenBatchNormAct(FrozenBatchNorm):
    """For timm's norms that include an activation."""

    def __init__(self, channels: int, epsilon: float, activation: nn.Module) -> None:
        super().__init__(channels, epsilon)
        self.activation = activation

    def forward(self, x: FeatureMap) -> FeatureMap:
        return self.activation(super().forward(x))


def _freeze_norms(module: nn.Module, *, keep_activations: bool) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, _frozen(child, keep_activations=keep_activations))
        else:
            _freeze_norms(child, keep_activations=keep_activations)


def _frozen(norm: nn.BatchNorm2d, *, keep_activations: bool) -> FrozenBatchNorm:
    # 1e-5 whatever epsilon the architecture was trained with, as in the peers and their checkpoints
    activation = getattr(norm, "act", None)
    if keep_activations and isinstance(activation, nn.Module):
        return FrozenBatchNormAct(norm.num_features, 1e-5, activation)
    return FrozenBatchNorm(norm.num_features)
