"""What a run leaves on the disk as it goes: checkpoints to go on from, and models to use."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from condetr.checkpoints.saving import save
from condetr.data.classes import Classes
from condetr.images.preprocessing import Preprocessing
from condetr.model.config import DetectorConfig
from condetr.training.progress import Progress
from condetr.training.run.checkpointing import save_checkpoint
from condetr.training.run.run_folder import RunFolder
from condetr.training.settings import TrainingSettings
from condetr.training.train_state import TrainState


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the state of a run depends on beside its weights; compared when it is resumed.

    Attributes:
        data: fingerprint of the data set.
        batch: images of a process at once, found out where "auto" was asked for.
        processes: that trained together.
        network: that is trained.
        preprocessing: of its images.
    """

    settings: TrainingSettings
    data: str
    batch: int
    processes: int
    network: DetectorConfig
    preprocessing: Preprocessing

    def to_dict(self) -> dict[str, Any]:
        """As JSON gives it back."""
        preprocessing = replace(self.preprocessing, carried={}).to_dict()
        said = {**asdict(self), "settings": self.settings.to_dict(), "preprocessing": preprocessing}
        return dict(json.loads(json.dumps(said)))


@dataclass(frozen=True, slots=True)
class CheckpointWriter:
    """Writes for the first process; the others have none."""

    folder: RunFolder
    learner: TrainState
    classes: Classes
    preprocessing: Preprocessing
    flat: Mapping[str, Any]
    circumstances: RunContext

    def checkpoint(self, progress: Progress) -> Path:
        state = {
            "condetr": version("condetr"),
            "progress": progress.to_dict(),
            "numbers": self.learner.numbers(),
            **self.circumstances.to_dict(),
        }
        return save_checkpoint(self.folder.checkpoints, progress.step, self.learner.tensors(), state)

    def model(self, folder: Path) -> None:
        """A plain model folder, which ``condetr.load`` and transformers read."""
        ids = [one for one in self.classes.source_ids if isinstance(one, int)]
        save(
            folder,
            self.learner.eval_model,
            dict(enumerate(self.classes.names)),
            source_ids=tuple(ids) if len(ids) == len(self.classes) else None,
            flat=self.flat,
            preprocessing=self.preprocessing.to_dict(),
        )
