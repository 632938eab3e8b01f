from itertools import chain

import pytest

from condetr.training.input.sampling import Sampling, seed_from
from condetr.training.progress import Position

START = Position()


def indices_of(sampling, start=START, epochs=1):
    return [
        index for step in sampling.steps(start, sampling.steps_from(start, epochs)) for batch in step for index in batch
    ]


def test_an_epoch_has_every_image_once_in_an_order_of_its_own():
    one = Sampling(images=23, seed=4, batch=2, accumulate=3)
    for epoch in range(3):
        assert sorted(one.order(epoch)) == list(range(23))
    assert one.order(0) != one.order(1)
    assert one.order(1) == Sampling(images=23, seed=4, batch=5).order(1)
    assert one.order(1) != Sampling(images=23, seed=5, batch=2).order(1)


@pytest.mark.parametrize("images", [1, 2, 7, 16, 23])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_share_each_step_without_duplicates_or_gaps(images, processes):
    ranks = [Sampling(images, 0, batch=2, accumulate=2, processes=processes, rank=rank) for rank in range(processes)]
    for together in zip(*(rank.steps(Position(), 2 * rank.steps_per_epoch) for rank in ranks), strict=True):
        assert len({len(batches) for batches in together}) == 1, "every process has equally many micro-batches"
        sizes = [sum(map(len, batches)) for batches in together]
        assert max(sizes) - min(sizes) <= 1
        assert max(map(len, chain(*together))) <= 2
    indices = [index for rank in ranks for index in indices_of(rank, epochs=2)]
    assert len(indices) == len(set(indices)) == 2 * images
    assert {index.position for index in indices if index.epoch == 1} == set(range(images))


def test_a_run_resumes_where_it_stopped_with_another_number_of_processes():
    two = [Sampling(23, 7, batch=3, processes=2, rank=rank) for rank in range(2)]
    position = Position()
    seen = []
    for _, *steps in zip(range(2), *(rank.steps(Position(), None) for rank in two), strict=False):
        seen += [index for step in steps for batch in step for index in batch]
        position = two[0].after(position)
    assert position == Position(0, 12)
    seen += indices_of(Sampling(23, 7, batch=2), position)
    assert sorted(index.image for index in seen) == list(range(23))


def test_after_the_last_step_comes_the_next_epoch():
    sampling = Sampling(5, 0, batch=2)
    position, positions = Position(), []
    for _ in range(sampling.steps_per_epoch + 1):
        position = sampling.after(position)
        positions.append(tuple(position))
    assert positions == [(0, 2), (0, 4), (1, 0), (1, 2)]
    assert sampling.steps_from(Position(1, 2), 3) == 2 + 3
    assert [index.epoch for index in indices_of(sampling, Position(1, 2), 3)] == 3 * [1] + 5 * [2]


def test_a_seed_differs_with_each_part_and_fits_torch():
    seeds = {seed_from("order", seed, epoch) for seed in range(10) for epoch in range(10)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_from(1, 11) != seed_from(11, 1)
