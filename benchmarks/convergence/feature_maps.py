"""Feature maps of demo scenes, computed once by one pretrained backbone, so that only what follows it is trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from condetr.bundled import RECIPES
from condetr.cli.settings.settings_tree import read_settings
from condetr.cli.settings.train_settings import TrainSettings
from condetr.core.records import Target
from condetr.data.augmentation.presets import augmentation_of
from condetr.data.batches import TrainingBatch, collate
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.discovery.formats import read_dataset
from condetr.data.records import Dataset
from condetr.data.samples import read_sample, target_of
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.training.backbone_pretraining import pretrain_backbone
from condetr.training.run.events import Event

SIDE = 96  # pixels of a scene
SCENES = {"train": 1200, "val": 300}
PRETRAINING, PRETRAINING_BATCH = 300, 8

Maps = Float[Tensor, "images channels rows columns"]


@dataclass(frozen=True)
class MappedScenes:
    """A split: the last feature map of every scene, and its objects."""

    dataset: Dataset
    maps: Maps
    targets: tuple[Target, ...]

    def __len__(self) -> int:
        return len(self.targets)


def network() -> DetectorConfig:
    """The architecture of the recipe digits."""
    return read_settings(TrainSettings, file=RECIPES["digits"]).network.with_classes(10)


def mapped_scenes(folder: Path) -> tuple[MappedScenes, MappedScenes]:
    """The training and the validation split; scenes and maps are written to ``folder`` the first time."""
    scenes, stored = folder / "scenes", folder / "maps.pt"
    if not scenes.exists():
        write_scenes(scenes, **SCENES)
    datasets = read_dataset(scenes, "train"), read_dataset(scenes, "val")
    batches = [list(_batches(dataset)) for dataset in datasets]
    if not stored.exists():
        torch.save(list(_maps(*batches)), stored)
    splits = zip(datasets, torch.load(stored), batches, strict=True)
    train, val = (
        MappedScenes(dataset, maps, tuple(target for batch in of_split for target in batch.targets))
        for dataset, maps, of_split in splits
    )
    return train, val


def _batches(dataset: Dataset) -> Iterator[TrainingBatch]:
    preprocessing = Preprocessing(size=Edges(SIDE, SIDE))
    prepare = augmentation_of("none", preprocessing.size)
    for start in range(0, len(dataset), PRETRAINING_BATCH):
        examples = [dataset[index] for index in range(start, min(start + PRETRAINING_BATCH, len(dataset)))]
        samples = [target_of(prepare(read_sample(example))) for example in examples]
        batch = collate(samples, [example.path.name for example in examples], preprocessing)
        assert batch.mask is None, "scenes have one size"
        yield batch


def _ignore(_: Event) -> None:
    pass


def _maps(train: list[TrainingBatch], val: list[TrainingBatch]) -> Iterator[Maps]:
    torch.manual_seed(0)
    detector = ConditionalDetr(network())
    shuffled = ([train[index]] for _ in count() for index in torch.randperm(len(train)).tolist())
    pretrain_backbone(detector, shuffled, PRETRAINING, torch.device("cpu"), _ignore)
    backbone = detector.body.backbone.eval()
    for split in (train, val):
        with torch.no_grad():
            yield torch.cat([backbone(batch.pixels)[-1] for batch in split])
