"""The settings of a backbone: the nested part of a config."""

from typing import Any

RESNET: dict[str, Any] = {
    "model_type": "resnet",
    "num_channels": 3,
    "embedding_size": 64,
    "hidden_sizes": [256, 512, 1024, 2048],
    "depths": [3, 4, 6, 3],
    "layer_type": "bottleneck",
    "hidden_act": "relu",
    "downsample_in_first_stage": False,
    "downsample_in_bottleneck": False,
}


class BackboneConfig:
    """The settings of a backbone as attributes; missing settings of a ResNet have their defaults."""

    def __init__(self, **settings: Any) -> None:
        resnet = settings.get("model_type", "resnet") == "resnet"
        self.__dict__.update(RESNET | settings if resnet else settings)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this backbone_config has no {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BackboneConfig) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"BackboneConfig({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))
