"""In which order the images are seen, and by which process.

The order of an epoch is a pure function of (seed, epoch). An optimization step takes the next images of that
order, whoever computes it: the processes deal them out like cards, so their shares differ by one at most, and
each share is cut into micro-batches. Nothing is seen twice or left out, also when a run goes on with another number
of processes or another batch size: only the boundaries of the steps move. At the end of an epoch a share may
be short or empty; its micro-batches are then short or empty, too, but every process has equally many.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch

from condetr.training.progress import Position


class SampleIndex(NamedTuple):
    """One image at one moment: what the random numbers of its augmentation are made from."""

    epoch: int
    place: int  # in the order of the epoch
    image: int  # its number in the data set


@dataclass(frozen=True, slots=True)
class Sampling:
    """Attributes: ``images`` of the data set, ``batch`` of one process, ``accumulate`` micro-batches a step."""

    images: int
    seed: int
    batch: int
    accumulate: int = 1
    processes: int = 1
    rank: int = 0

    @property
    def step_size(self) -> int:
        """Images that a step takes, except for the last one of an epoch."""
        return self.batch * self.accumulate * self.processes

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.images // self.step_size)

    def steps_from(self, start: Position, epochs: int) -> int:
        """How many are left."""
        left_of_epoch = -(-(self.images - start.place) // self.step_size)
        return max(0, left_of_epoch + (epochs - start.epoch - 1) * self.steps_per_epoch)

    def order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed_from("order", self.seed, epoch))
        return torch.randperm(self.images, generator=generator).tolist()

    def steps(self, start: Position, epochs: int) -> Iterator[list[list[SampleIndex]]]:
        """The micro-batches of this process, step by step, from ``start`` to the end of the last epoch."""
        place = start.place
        for epoch in range(start.epoch, epochs):
            order = self.order(epoch)
            while place < self.images:
                end = min(place + self.step_size, self.images)
                yield self._share([SampleIndex(epoch, at, order[at]) for at in range(place, end)])
                place = end
            place = 0

    def after(self, position: Position) -> Position:
        """Where the training is once the step at ``position`` is done."""
        place = min(position.place + self.step_size, self.images)
        return Position(position.epoch + 1, 0) if place == self.images else Position(position.epoch, place)

    def _share(self, draws: list[SampleIndex]) -> list[list[SampleIndex]]:
        count = -(-len(draws) // (self.batch * self.processes))  # micro-batches of the largest share
        mine = draws[self.rank :: self.processes]
        return [mine[at * self.batch : (at + 1) * self.batch] for at in range(count)]


def seed_from(*parts: object) -> int:
    """A seed that differs as soon as one part does."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]) >> 1
