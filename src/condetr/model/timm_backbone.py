"""Any backbone of timm, with the interface of our ResNet. Needs the ``timm`` extra."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from condetr.core.errors import MissingExtraError, SettingsError
from condetr.core.shapes import FeatureMap, Pixels
from condetr.model.config import TimmDescription
from condetr.model.timm_norms import freeze_norms, without_idle_options

CACHED_PIXELS = 2**18  # of a few images: EfficientNet-Lite0 makes 25 MB of them in its largest layer
FINEST, COARSEST = 4, 32  # pixels per cell of the first and last stage of a ResNet


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
        leave_out_unused_stages(self.network)
        self.description = without_idle_options(self.network, description)
        freeze_norms(self.network, self.description)
        stages: Any = self.network.feature_info
        self.widths: tuple[int, ...] = tuple(stages.channels())
        self.stride: int = stages.reduction()[-1]
        self.early = [f"network.{name}" for name in early_parameters(self.network, stages.info)]
        self._channels_last = str(getattr(self.network, "output_fmt", "")).endswith("NHWC")

    def forward(self, pixels: Pixels) -> tuple[FeatureMap, ...]:
        if not torch.compiler.is_compiling() and (few := _cached_images(pixels)) < len(pixels):
            each = zip(*(self.network(images) for images in pixels.split(few)), strict=True)
            maps = tuple(torch.cat(of_stage) for of_stage in each)
        else:
            maps = tuple(self.network(pixels))
        return tuple(each.permute(0, 3, 1, 2) for each in maps) if self._channels_last else maps


def _cached_images(pixels: Pixels) -> int:
    """So many at once are the fastest on a CPU: what a layer made is still in the cache for the next one."""
    if pixels.device.type != "cpu":
        return len(pixels)
    parts = math.ceil(pixels[:, 0].numel() / CACHED_PIXELS)
    return math.ceil(len(pixels) / max(1, parts))


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


def leave_out_unused_stages(network: nn.Module) -> None:
    """Remove the blocks behind the last stage that is used: timm's EfficientNets and MobileNets compute them all."""
    blocks, info = getattr(network, "blocks", None), getattr(network, "feature_info", None)
    if not isinstance(blocks, nn.Sequential) or info is None:
        return
    used = [stage.get("stage") for stage in info.get_dicts()]
    if all(isinstance(stage, int) for stage in used) and max(used) < max(stage["stage"] for stage in info.info):
        network.blocks = blocks[: max(used)]


def check_architecture(name: str) -> None:
    """Raises MissingExtraError without timm, SettingsError where it has no such architecture."""
    try:
        import timm
    except ImportError:
        raise MissingExtraError("timm", "timm", f"the backbone {name!r}") from None
    if "/" in name or ":" in name or not timm.is_model(name):
        raise SettingsError(f"timm has no architecture {name!r}", item="backbone", hint="timm.list_models() lists them")


def used_stages(info: Sequence[dict[str, Any]]) -> tuple[int, ...]:
    """Indices of the stages that a ResNet has, too: the last one of each stride from 4 to 32, or of any stride."""
    last = {stage["reduction"]: index for index, stage in enumerate(info)}
    return tuple(index for stride, index in last.items() if FINEST <= stride <= COARSEST) or (len(info) - 1,)


def early_parameters(network: nn.Module, info: Sequence[dict[str, Any]]) -> list[str]:
    """Names of the parameters up to the end of the first stage, in the order in which timm registers them.

    The first stage is the last one with at most 4 pixels per cell, as in a ResNet; of networks that begin with larger
    cells it is the first that is listed. Where timm's list names no such module, only the first module counts.
    """
    fine = [stage for stage in info if stage["reduction"] <= FINEST] or info[:1]
    names = wrapped_names(fine[-1]["module"])
    modules = dict(network.named_modules())
    if fine[-1]["module"] == info[-1]["module"] or modules.keys().isdisjoint(names):
        names = (next(name for name, child in network.named_children() if next(child.parameters(), None) is not None),)
    early: list[str] = []
    reached = False
    for path, module in modules.items():
        inside = any(path == name or path.startswith(f"{name}.") for name in names)
        if reached and not inside:
            break
        reached = reached or inside
        early += [f"{path}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False)]
    return early


def wrapped_names(name: str) -> tuple[str, ...]:
    """What a module, or a tensor, of a network may be called where timm wraps it to return features."""
    return name, name.replace(".", "_", 1), f"model.{name}", f"body.{name}"
