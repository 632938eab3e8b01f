"""Writes the checkpoints and models of a run."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from condetr.checkpoints.config.class_names import STUFF
from condetr.checkpoints.saving import save
from condetr.data.classes import Classes
from condetr.images.preprocessing import Preprocessing
from condetr.model.config import DetectorConfig
from condetr.training.optimization.batch_scaling import accumulation
from condetr.training.progress import Progress
from condetr.training.run.checkpointing import save_checkpoint
from condetr.training.run.run_folder import RunFolder
from condetr.training.settings import TrainingSettings
from condetr.training.train_state import TrainState


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the state of a run depends on besides its tensors; compared when it is resumed.

    Attributes:
        data: fingerprint of the dataset.
        batch: images per process and micro-batch, as found where the setting is "auto".
        processes: their number.
        network: its architecture.
        preprocessing: of its images.
    """

    settings: TrainingSettings
    data: str
    batch: int
    processes: int
    network: DetectorConfig
    preprocessing: Preprocessing

    @property
    def accumulate(self) -> int:
        """Gradient accumulation steps."""
        of_all = self.batch * self.processes
        return accumulation(self.settings.accumulate, self.settings.reference_batch, of_all)

    def to_dict(self) -> dict[str, Any]:
        """With the types that JSON returns, such as lists for tuples."""
        preprocessing = replace(self.preprocessing, carried={}).to_dict()
        record = {**asdict(self), "settings": self.settings.to_dict(), "preprocessing": preprocessing}
        return dict(json.loads(json.dumps(record)))


@dataclass(frozen=True, slots=True)
class CheckpointWriter:
    """Exists on the first process only.

    Attributes:
        flat: keys of the model's config.json that the network does not depend on.
    """

    folder: RunFolder
    state: TrainState
    classes: Classes
    flat: Mapping[str, Any]
    context: RunContext

    def save(self, progress: Progress) -> Path:
        """Write the last model and a checkpoint; returns the folder of the checkpoint.

        Raises:
            CheckpointError: weights are not finite.
            StorageError: it cannot be written.
        """
        self._save_model(self.folder.last)
        record = {
            "condetr": version("condetr"),
            "progress": progress.to_dict(),
            "numbers": self.state.scalar_state(),
            **self.context.to_dict(),
        }
        return save_checkpoint(self.folder.checkpoints, progress.step, self.state.tensors(), record)

    def save_best(self) -> None:
        self._save_model(self.folder.best)

    def _save_model(self, folder: Path) -> None:
        """A model folder that ``condetr.load`` and transformers read."""
        ids = [identifier for identifier in self.classes.source_ids if isinstance(identifier, int)]
        flat = {name: value for name, value in self.flat.items() if name != STUFF}
        save(
            folder,
            self.state.eval_model,
            dict(enumerate(self.classes.names)),
            source_ids=tuple(ids) if len(ids) == len(self.classes) else None,
            flat=flat | {STUFF: list(self.classes.stuff)} if self.classes.stuff else flat,
            preprocessing=self.context.preprocessing.to_dict(),
        )
