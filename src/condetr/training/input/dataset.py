"""The dataset of a training run as data loader workers read it: decoded, augmented, batched.

An augmented image depends on (seed, epoch, position) alone, whichever worker reads it.
"""

import time
from collections.abc import Sequence

from condetr.core.errors import CondetrError, ImageError, SettingsError
from condetr.data.augmentation.own import Augmentation, seeded
from condetr.data.augmentation.sample import Sample
from condetr.data.batches import TrainingBatch, collate
from condetr.data.records import Dataset, SampleIndex
from condetr.data.samples import target_of
from condetr.images.preprocessing import Preprocessing
from condetr.training.input.sampling import seed_from

PAUSES = (0.1, 0.4)  # seconds before an image is read again: network file systems fail now and then


class TrainingDataset:
    """Indexed by the samples of a micro-batch."""

    def __init__(
        self,
        dataset: Dataset,
        augmentation: Augmentation,
        preprocessing: Preprocessing,
        *,
        seed: int,
        masks: bool = False,
    ) -> None:
        self._dataset, self._augmentation, self._preprocessing = dataset, augmentation, preprocessing
        self._seed, self._masks = seed, masks

    def __getitem__(self, indices: Sequence[SampleIndex]) -> TrainingBatch | CondetrError:
        """The batch; unreadable images are left out of it and listed in it. Errors are passed on, not raised."""
        try:
            return self._batch(indices)
        except CondetrError as error:  # raised in a worker, it would lose its fields
            return error

    def _batch(self, indices: Sequence[SampleIndex]) -> TrainingBatch:
        images, names, unreadable, slivers = [], [], [], 0
        for index in indices:
            try:
                sample = self._read(index)
            except ImageError as error:
                unreadable.append(str(error))
                continue
            try:
                sample = self._augment(sample, index)
            except SettingsError as error:  # of the user's augmentation
                raise error.at(source=self._dataset.sample_name(index)) from error
            slivers += sample.get("slivers", 0)
            images.append(target_of(sample))
            names.append(self._dataset.sample_name(index))
        return collate(images, names, self._preprocessing, unreadable=unreadable, slivers=slivers)

    def _read(self, index: SampleIndex) -> Sample:
        for pause in PAUSES:
            try:
                return self._dataset.sample(index, masks=self._masks)
            except ImageError:
                time.sleep(pause)
        return self._dataset.sample(index, masks=self._masks)

    def _augment(self, sample: Sample, index: SampleIndex) -> Sample:
        # The first word is part of the seed: another one would change every augmentation.
        with seeded(seed_from("picture", self._seed, index.epoch, index.position)):
            return self._augmentation(sample)
