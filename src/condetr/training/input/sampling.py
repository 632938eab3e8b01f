"""The order in which images are seen, and how processes share them.

The order of an epoch is a pure function of (seed, epoch). An optimization step takes the next images of that order;
process r of n takes every n-th of them, from the r-th on, so that the shares differ by one image at most, and cuts its
share into micro-batches. No image of the order is repeated or left out, also when a run is resumed with another number
of processes or another batch size: only the boundaries of the steps move. At the end of an epoch a share may be short
or empty; its micro-batches are then short or empty, too, but every process has equally many.
"""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch

from condetr.data.records import SampleIndex
from condetr.training.input.repeat_factors import drawn_images
from condetr.training.progress import Position


@dataclass(frozen=True, slots=True)
class Sampling:
    """The steps of all epochs.

    Attributes:
        images: drawn in an epoch: those of the dataset, unless ``factors`` repeat some.
        batch: size per process.
        accumulate: micro-batches per step.
        factors: how often each image is drawn, see `repeat_factors`; empty for once.
    """

    images: int
    seed: int
    batch: int
    accumulate: int = 1
    processes: int = 1
    rank: int = 0
    factors: tuple[float, ...] = ()

    @property
    def step_size(self) -> int:
        """Images per step over all processes; the last step of an epoch may have fewer."""
        return self.batch * self.accumulate * self.processes

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.images // self.step_size)

    def steps_from(self, start: Position, epochs: int) -> int:
        """The number of steps from ``start`` to the end of epoch ``epochs``."""
        left_of_epoch = -(-(self.images - start.offset) // self.step_size)
        return max(0, left_of_epoch + (epochs - start.epoch - 1) * self.steps_per_epoch)

    def order(self, epoch: int) -> list[int]:
        """The indices of the images in the dataset."""
        generator = torch.Generator().manual_seed(seed_from("order", self.seed, epoch))
        if not self.factors:
            return torch.randperm(self.images, generator=generator).tolist()
        images = drawn_images(self.factors, generator)
        return images[torch.randperm(len(images), generator=generator)].tolist()

    def steps(self, start: Position, count: int | None) -> Iterator[list[list[SampleIndex]]]:
        """The micro-batches of this process in the next ``count`` steps from ``start``; None: without end."""
        return islice(self._steps(start), count)

    def _steps(self, start: Position) -> Iterator[list[list[SampleIndex]]]:
        offset = start.offset
        for epoch in itertools.count(start.epoch):
            order = self.order(epoch)
            while offset < self.images:
                end = min(offset + self.step_size, self.images)
                yield self._share([SampleIndex(epoch, position, order[position]) for position in range(offset, end)])
                offset = end
            offset = 0

    def after(self, position: Position) -> Position:
        """The position after the step that begins at ``position``."""
        offset = min(position.offset + self.step_size, self.images)
        return Position(position.epoch + 1, 0) if offset == self.images else Position(position.epoch, offset)

    def _share(self, indices: list[SampleIndex]) -> list[list[SampleIndex]]:
        count = -(-len(indices) // (self.batch * self.processes))  # micro-batches of the largest share
        own = indices[self.rank :: self.processes]
        return [own[number * self.batch : (number + 1) * self.batch] for number in range(count)]


def seed_from(*parts: object) -> int:
    """A seed that differs as soon as one part does."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]) >> 1
