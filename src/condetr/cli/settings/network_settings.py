"""The network of ``condetr train``: all of it for random weights, the number of queries beside a model."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from condetr.cli.settings.backbone_settings import BackboneSettings
from condetr.core.errors import SettingsError
from condetr.model.config import DetectorConfig, NetworkConfig

BESIDE_MODEL = ("num_queries",)


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(NetworkConfig):
    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    num_queries: int | None = None  # type: ignore[assignment]  # that of the model, or the paper's

    def __post_init__(self) -> None:
        NetworkConfig.__post_init__(self)
        if self.num_queries is not None and (type(self.num_queries) is not int or self.num_queries < 1):
            raise SettingsError(f"is {self.num_queries!r}, expected a whole number of at least 1", item="num_queries")

    def config(self) -> NetworkConfig:
        """For random weights; what is not set is the paper's."""
        chosen = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        chosen["backbone"] = self.backbone.description()
        return NetworkConfig(**{name: value for name, value in chosen.items() if value is not None})

    def with_classes(self, count: int) -> DetectorConfig:
        return self.config().with_classes(count)

    def stored(self) -> dict[str, Any]:
        """For config.yaml; what is not set has the value of the paper."""
        queries = NetworkConfig().num_queries if self.num_queries is None else self.num_queries
        return asdict(self) | {"backbone": self.backbone.stored(), "num_queries": queries}

    def fixed_by_model(self) -> list[str]:
        """The settings that were changed, and that a model already decides."""
        return [name for name, _, _ in self.changes_from(NetworkSettings()) if name not in BESIDE_MODEL]

    def changes_from(self, other: "NetworkSettings") -> list[tuple[str, object, object]]:
        """Name, value here and value there of every setting that differs."""
        here, there = asdict(self), asdict(other)
        return [(name, here[name], there[name]) for name in here if here[name] != there[name]]
