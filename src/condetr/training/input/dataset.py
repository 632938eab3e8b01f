"""The images of a run as a loader's workers read them: decoded, varied, padded together.

What happens to an image depends on (seed, epoch, place) alone, whichever worker reads it.
"""

import time
from collections.abc import Sequence

import torch
from torch import nn

from condetr.core.errors import ImageError
from condetr.data.augmentation import Sample
from condetr.data.batches import TrainingBatch, collate
from condetr.data.records import Dataset, Example
from condetr.data.samples import read_sample, target_of
from condetr.data.synthetic.dataset import Moment, SyntheticScenes
from condetr.images.preprocessing import Preprocessing
from condetr.training.input.sampling import SampleIndex, seed_from

PAUSES = (0.1, 0.4)  # seconds before an image is tried again: network file systems have moments


class TrainingDataset:
    """Indexed by the draws of a micro-batch."""

    def __init__(
        self, dataset: Dataset, augmentation: nn.Module, preprocessing: Preprocessing, *, seed: int, masks: bool = False
    ) -> None:
        self._dataset, self._augmentation, self._preprocessing = dataset, augmentation, preprocessing
        self._seed, self._masks = seed, masks

    def __getitem__(self, draws: Sequence[SampleIndex]) -> TrainingBatch:
        """The batch; an image that cannot be read is missing from it, and named in it."""
        images, names, unreadable = [], [], []
        for draw in draws:
            try:
                sample, name = self._drawn(draw)
            except ImageError as error:
                unreadable.append(str(error))
                continue
            images.append(target_of(self._varied(sample, draw)))
            names.append(name)
        return collate(images, names, self._preprocessing, unreadable=unreadable)

    def _drawn(self, draw: SampleIndex) -> tuple[Sample, str]:
        if isinstance(self._dataset, SyntheticScenes):
            moment = Moment(draw.epoch, draw.place)
            return self._dataset.sample(moment, masks=self._masks), f"scene {draw.place} of epoch {draw.epoch}"
        example = self._dataset[draw.image]
        return self._read(example), self._dataset.name_of(example)

    def _read(self, example: Example) -> Sample:
        for pause in PAUSES:
            try:
                return read_sample(example, masks=self._masks)
            except ImageError:
                time.sleep(pause)
        return read_sample(example, masks=self._masks)

    def _varied(self, sample: Sample, draw: SampleIndex) -> Sample:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_from("picture", self._seed, draw.epoch, draw.place))
            return self._augmentation(sample)
