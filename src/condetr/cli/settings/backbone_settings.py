"""The backbone of ``condetr train``: described, or by name, with or without pretrained weights.

Beside a model it takes the place of that model's backbone, and the transformer stays.
"""

from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

from condetr.core.errors import SettingsError
from condetr.core.names import RANDOM_WEIGHTS
from condetr.model.config import ResNetDescription, TimmDescription

_BESIDE_NAME = ("output_stride", "in_channels")


@dataclass(frozen=True, kw_only=True)
class BackboneSettings(ResNetDescription):
    """A ResNet, or a name in place of its shape."""

    name: Annotated[str | None, "backbone by name: resnet18 to resnet152, or any other of timm; default: resnet50"] = (
        None
    )
    weights: Annotated[str | None, "pretrained backbone weights: imagenet, a file, or none"] = RANDOM_WEIGHTS
    out_indices: Annotated[
        tuple[int, ...], "stages to use of timm's backbone; default: the last of each stride from 4 to 32"
    ] = ()

    def __post_init__(self) -> None:
        ResNetDescription.__post_init__(self)
        described = [
            spec.name
            for spec in fields(ResNetDescription)
            if spec.name not in _BESIDE_NAME and getattr(self, spec.name) != spec.default
        ]
        if self.name is not None and described:
            reason = f"is {self.name!r}, which already decides {', '.join(described)}"
            raise SettingsError(reason, item="name", hint="give a name or a description")
        if self.out_indices and self.name is None:
            raise SettingsError("is for a backbone of timm by its name", item="out_indices", hint="give the name, too")

    @property
    def is_pretrained(self) -> bool:
        return self.weights not in (None, RANDOM_WEIGHTS)

    def description(self) -> ResNetDescription | TimmDescription:
        """Raises MissingExtraError or SettingsError where timm is missing, or has no such architecture."""
        if self.name is None:
            return ResNetDescription(**{spec.name: getattr(self, spec.name) for spec in fields(ResNetDescription)})
        from condetr.model.named_backbone import named_backbone

        return named_backbone(self.name, self.output_stride, self.out_indices or None)

    def stored(self) -> dict[str, Any]:
        """For config.yaml: the name, or the shape without one; the weights where there are any."""
        values = asdict(self)
        shape = _BESIDE_NAME[:1] if self.name is not None else [spec.name for spec in fields(ResNetDescription)]
        name = {} if self.name is None else {"name": self.name}
        weights = {"weights": self.weights} if self.is_pretrained else {}
        stages = {} if not self.out_indices else {"out_indices": list(self.out_indices)}
        return name | weights | stages | {key: values[key] for key in shape}
