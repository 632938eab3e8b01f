"""The options of ``condetr tune``: those of a training, and of the search."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from condetr.cli.settings.network_settings import NetworkSettings
from condetr.cli.settings.recipe import recipe_file
from condetr.cli.settings.shared import check_at_least
from condetr.cli.settings.train_settings import TrainSettings
from condetr.core.errors import SettingsError
from condetr.training.settings import TrainingSettings
from condetr.workflows.search_space import SEARCHED, Searched


@dataclass(frozen=True, kw_only=True)
class TuneSettings(TrainSettings):
    SUPERSEDES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    CHOSEN: ClassVar[frozenset[str]] = frozenset()
    minutes: Annotated[float | None, "minutes for the search; no trial goes on after them"] = None
    trials: Annotated[int | None, "maximum number of trials"] = None
    search: Annotated[tuple[Searched, ...], "settings to search, unless they are given"] = SEARCHED
    output: Annotated[Path | None, "folder of the search; default: runs/tune"] = None
    resume: Annotated[bool, "continue the search in the output folder"] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.minutes is None or not 0 < self.minutes < float("inf"):
            reason = "is required" if self.minutes is None else f"is {self.minutes}, expected a number above 0"
            raise SettingsError(reason, item="minutes")
        if self.trials is not None:
            check_at_least(1, trials=self.trials)

    def beneath(self) -> Path | None:
        """The recipe; a search that is resumed is repeated with the same options."""
        return None if self.recipe is None else recipe_file(self.recipe)

    def training(self) -> TrainingSettings:
        """Of a trial; the minutes are those of the search."""
        return replace(super().training(), minutes=None)

    def chosen(self) -> dict[str, Any]:
        """The settings of the training that differ from their defaults."""
        values = {spec.name: (getattr(self, spec.name), spec) for spec in fields(self)}
        names = ({spec.name for spec in fields(TrainingSettings)} & values.keys()) - {"minutes"}
        return {name: values[name][0] for name in sorted(names) if values[name][0] != _default_of(values[name][1])}

    def origin(self) -> dict[str, Any]:
        """The settings that name the initial model, where they differ from their defaults."""
        network = {} if self.network == NetworkSettings() else {"network": asdict(self.network.config())}
        if self.model is None:
            return network
        if self.is_random:
            size = {} if self.size is None else {"size": self.size}
            return {"model": self.model} | (size or network)
        return {"model": self.model} | ({} if self.revision is None else {"revision": self.revision})


def _default_of(spec: Any) -> Any:
    return spec.default_factory() if spec.default is MISSING else spec.default
