"""Any backbone of timm, with the interface of our ResNet. Needs the ``timm`` extra."""

from typing import Any

from torch import nn

from condetr.core.errors import MissingExtraError, SettingsError
from condetr.core.shapes import FeatureMap, Pixels
from condetr.model.config import TimmDescription
from condetr.model.timm_norms import freeze_norms, without_idle_options
from condetr.model.timm_stages import early_parameters


class TimmBackbone(nn.Module):
    """Attributes: ``description`` without options that have no effect; ``early``: names of the first parameters."""

    def __init__(self, description: TimmDescription) -> None:
        super().__init__()
        self.network = timm_features(
            description.name,
            out_indices=description.out_indices,
            output_stride=description.output_stride,
            in_channels=description.in_channels,
        )
        self.description = without_idle_options(self.network, description)
        freeze_norms(self.network, self.description)
        stages: Any = self.network.feature_info
        self.widths: tuple[int, ...] = tuple(stages.channels())
        self.stride: int = stages.reduction()[-1]
        self.early = [f"network.{name}" for name in early_parameters(self.network, stages.info)]
        self._channels_last = str(getattr(self.network, "output_fmt", "")).endswith("NHWC")

    def forward(self, pixels: Pixels) -> tuple[FeatureMap, ...]:
        maps = tuple(self.network(pixels))
        return tuple(each.permute(0, 3, 1, 2) for each in maps) if self._channels_last else maps


def timm_features(
    name: str, *, out_indices: tuple[int, ...] | None, output_stride: int | None, in_channels: int = 3
) -> nn.Module:
    """The network of timm that returns the maps of these stages; of all stages for None.

    Raises:
        MissingExtraError: timm is not installed.
        SettingsError: timm has no such architecture, or cannot build it like this.
    """
    check_architecture(name)
    import timm

    # Some architectures do not accept the arguments, so they are only passed if they are set.
    options: dict[str, Any] = {} if output_stride is None else {"output_stride": output_stride}
    if out_indices is not None:
        options["out_indices"] = out_indices
    try:
        return timm.create_model(name, pretrained=False, features_only=True, in_chans=in_channels, **options)
    except (AssertionError, RuntimeError, ValueError, TypeError, LookupError) as error:
        raise SettingsError(
            f"timm cannot build {name!r} with stages {out_indices or 'of any stride'} and output stride"
            f" {output_stride}: {error}",
            item="backbone",
        ) from error


def check_architecture(name: str) -> None:
    """Raises MissingExtraError without timm, SettingsError where it has no such architecture."""
    try:
        import timm
    except ImportError:
        raise MissingExtraError("timm", "timm", f"the backbone {name!r}") from None
    if "/" in name or ":" in name or not timm.is_model(name):
        raise SettingsError(f"timm has no architecture {name!r}", item="backbone", hint="timm.list_models() lists them")
