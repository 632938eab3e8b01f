"""Training that is measured on the way: where the rooms for training and for evaluation meet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from condetr.checkpoints.labels_json import STUFF
from condetr.checkpoints.loading import load
from condetr.data.records import Dataset
from condetr.evaluation.evaluate import evaluate_detector
from condetr.evaluation.processes import here
from condetr.images.preprocessing import Preprocessing
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.training.events import Say, nobody_listens
from condetr.training.preparation import resized
from condetr.training.run_folder import RunFolder
from condetr.training.settings import TrainingSettings
from condetr.training.train import Trained, train


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a run starts from.

    Attributes:
        preprocessing: of pictures when predicting.
        flat: what else the config.json of the model says.
        notes: what was done to get it.
    """

    detector: ConditionalDetr
    preprocessing: Preprocessing
    flat: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def afresh(cls, config: DetectorConfig, *, seed: int) -> "Beginning":
        """A network with the authors' initial weights; every process draws the same."""
        torch.manual_seed(seed)
        return cls(ConditionalDetr(config), Preprocessing())

    @classmethod
    def stored(cls, reference: str, *, classes: Sequence[str], revision: str | None = None) -> "Beginning":
        """A model that was trained before, with a head for these classes."""
        checkpoint = load(reference, classes=classes, revision=revision)
        source = checkpoint.provenance.path / "preprocessor_config.json"
        preprocessing = Preprocessing.from_dict(checkpoint.preprocessing or {}, source=source)
        return cls(checkpoint.detector, preprocessing, checkpoint.flat, checkpoint.provenance.notes)


def train_and_measure(
    beginning: Beginning,
    dataset: Dataset,
    settings: TrainingSettings,
    folder: RunFolder,
    *,
    validation: Dataset | None = None,
    device: str = "auto",
    command: str = "",
    say: Say = nobody_listens,
) -> Trained:
    """Train, with COCO's AP of the validation data between epochs; ``train`` tells about the arguments."""
    preprocessing = resized(beginning.preprocessing, settings.image_size, settings.max_size)
    labels = dict(enumerate(dataset.classes.names))

    def averages(network: ConditionalDetr, data: Dataset) -> Mapping[str, float]:
        where = next(network.parameters()).device
        report = evaluate_detector(network, data, preprocessing, labels, device=where, metrics=["ap"], share=here())
        return report.averages()

    return train(
        beginning.detector,
        dataset,
        settings,
        folder,
        preprocessing=beginning.preprocessing,
        validation=validation,
        evaluate=averages,
        flat=_with_stuff(beginning.flat, dataset.classes.stuff),
        device=device,
        command=command,
        say=say,
    )


def _with_stuff(flat: Mapping[str, Any], stuff: Sequence[int]) -> dict[str, Any]:
    """What the config.json says, and which classes the data set does not count."""
    others = {name: value for name, value in flat.items() if name != STUFF}
    return others | {STUFF: list(stuff)} if stuff else others
