"""Where pretrained weights of a backbone come from, and for which images they were trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from condetr.checkpoints.files import PICKLES
from condetr.checkpoints.hub import download_one
from condetr.core.errors import CheckpointError, MissingExtraError, first_line_of
from condetr.files.json_reading import read_json_object
from condetr.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from condetr.model.resnet_names import RESNETS

HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # of a repository of timm, in order of preference
_OFFLINE = "connect, or download them elsewhere and give the path of the file"


class ImageStatistics(NamedTuple):
    """Mean and standard deviation of the channels, of pixels from 0 to 1."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


def downloaded(name: str | None) -> Path:
    """The file of the weights that timm has for a name; that of torchvision for a ResNet where timm is missing.

    Raises:
        CheckpointError: there are none, or they are not in the cache and cannot be fetched.
        MissingExtraError: the name is known to timm only, and it is not installed.
    """
    if name is None:
        raise CheckpointError(
            "of ImageNet are for backbones with a name; this one has other widths or depths",
            item="backbone weights",
            hint="give the path of a file",
        )
    config = _config_of_timm(name)
    if config is None:
        return _from_torchvision(name)
    if config.hf_hub_id:
        files = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
        return download_one(str(config.hf_hub_id), files, hint=_OFFLINE)
    if config.url:
        return _from_address(str(config.url), name)
    raise CheckpointError(
        "timm has no pretrained weights of this name",
        source=name,
        hint=f"timm.list_pretrained('{name.partition('.')[0]}*') lists those that there are",
    )


def statistics_of(name: str | None) -> ImageStatistics:
    """Of the weights that timm has for a name; those of ImageNet where it has none."""
    config = None if name is None else _config_of_timm(name)
    return ImageStatistics() if config is None else _checked({"mean": config.mean, "std": config.std}, name)


def statistics_beside(file: Path) -> ImageStatistics | None:
    """What the config.json of a repository of timm, beside its weights, says about their images."""
    config = (file if file.is_dir() else file.parent) / "config.json"
    if not config.is_file():
        return None
    settings = read_json_object(config).get("pretrained_cfg")
    return _checked(settings, config) if isinstance(settings, Mapping) and "mean" in settings else None


def _checked(settings: Mapping[str, Any], source: object) -> ImageStatistics:
    def numbers(item: str) -> tuple[float, ...]:
        values = settings.get(item)
        if not isinstance(values, list | tuple) or not values or any(type(each) not in (int, float) for each in values):
            raise CheckpointError(f"is {values!r}, expected one number per channel", source=source, item=item)
        return tuple(map(float, values))

    return ImageStatistics(numbers("mean"), numbers("std"))


def _config_of_timm(name: str) -> Any:
    """The entry of timm for a name, with or without the tag of its weights; None without timm for a ResNet of ours."""
    try:
        import timm
    except ImportError:
        if name.partition(".")[0] in RESNETS:
            return None
        raise MissingExtraError("timm", "timm", f"the backbone {name!r}") from None
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise CheckpointError(first_line_of(error), source=name, hint=f"timm.list_pretrained('{name}*')") from None
    if config is None:
        raise CheckpointError("timm has no pretrained weights of this architecture", source=name)
    return config


def _from_torchvision(name: str) -> Path:
    """The weights that the paper's backbones start from."""
    import torchvision

    try:
        weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    except (ValueError, KeyError):
        raise CheckpointError("torchvision has no pretrained weights of this name", source=name) from None
    return _from_address(weights.url, name)


def _from_address(address: str, name: str) -> Path:
    """The file at an address of timm or torchvision, in the cache of torch.hub."""
    from torch import hub

    file = Path(hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    if file.suffix not in (".safetensors", *PICKLES):
        raise CheckpointError(f"its weights are no file that condetr reads: {file.name}", source=name)
    if not file.is_file():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            hub.download_url_to_file(address, str(file), progress=False)
        except (OSError, RuntimeError) as error:
            reason = f"its pretrained weights cannot be fetched from {address}: {first_line_of(error)}"
            raise CheckpointError(reason, source=name, hint=_OFFLINE) from None
    return file
