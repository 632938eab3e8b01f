from pathlib import Path

import pytest
import torch

from condetr.data.classes import Classes
from condetr.data.records import Dataset, Example, Object
from condetr.training.input.repeat_factors import (
    class_factors,
    drawn_images,
    draws_per_epoch,
    image_factors,
    note_on_repeats,
)
from condetr.training.input.sampling import Sampling
from condetr.training.progress import Position


def dataset_of(*labels):
    """One image for each of these lists of labels."""
    examples = [
        Example(Path(f"{n}.png"), (9, 9), n, tuple(Object(label, (0.0, 0.0, 5.0, 5.0), 25.0) for label in image))
        for n, image in enumerate(labels)
    ]
    return Dataset(tuple(examples), Classes.named(["often", "seldom", "rare", "never"]), Path())


# 16 images: "often" in all but one, "seldom" in 4, "rare" in 1
DATA = dataset_of(*[[0, 0]] * 11, *[[0, 1]] * 3, [0, 1, 2], [])


def test_factors_are_those_of_lvis():
    assert class_factors(DATA, 0.25) == {0: 1.0, 1: 1.0, 2: 2.0}
    assert class_factors(DATA, 1.0) == pytest.approx({0: (16 / 15) ** 0.5, 1: 2.0, 2: 4.0})
    assert image_factors(DATA, 0.25) == (1.0,) * 14 + (2.0, 1.0)
    assert image_factors(DATA, 1.0)[-4:] == pytest.approx((2.0, 2.0, 4.0, 1.0))


@pytest.mark.parametrize("factors", [(1.0,) * 5, (2.5, 1.0, 1.0), (1.3, 1.3, 1.9, 3.0), (1.2,), (1.25,) * 9 + (4.7,)])
def test_an_image_is_drawn_as_often_as_its_factor_says(factors):
    """The whole part in every epoch; over many epochs its factor, but for the rounding of the length of an epoch."""
    counts = torch.zeros(len(factors))
    for seed in range(400):
        images = drawn_images(factors, torch.Generator().manual_seed(seed))
        assert len(images) == draws_per_epoch(factors)
        times = images.bincount(minlength=len(factors))
        assert (times >= torch.tensor(factors).floor()).all()
        counts += times
    fractions = [factor % 1 for factor in factors]
    scale = round(sum(fractions)) / (sum(fractions) or 1)
    expected = torch.tensor([factor // 1 + scale * (factor % 1) for factor in factors])
    torch.testing.assert_close(counts / 400, expected, atol=0.08, rtol=0)


def sampling(**settings):
    factors = image_factors(DATA, 0.6)
    return Sampling(draws_per_epoch(factors), 3, factors=factors, **settings)


def test_the_order_depends_on_seed_and_epoch_alone():
    one = sampling(batch=2)
    assert one.order(4) == sampling(batch=5, processes=2).order(4)
    assert one.order(4) != one.order(5)
    assert set(one.order(4)) == set(range(16)), "no image is left out"
    assert len(one.order(4)) == one.images > 16
    repeated = one.order(4)
    assert any(first == second for first, second in zip(sorted(repeated), sorted(repeated)[1:], strict=False))
    assert sorted(repeated) != repeated


def test_a_resumed_run_with_other_processes_sees_the_rest_of_the_order():
    one, order = sampling(batch=2), sampling(batch=2).order(0)
    shares = [sampling(batch=1, processes=3, rank=rank) for rank in range(3)]
    seen = [index for step in one.steps(Position(), 3) for batch in step for index in batch]
    rest = Position(0, 6)
    seen += [
        i for rank in shares for step in rank.steps(rest, rank.steps_from(rest, 1)) for batch in step for i in batch
    ]
    assert sorted(index.position for index in seen) == list(range(one.images))
    assert all(index.image == order[index.position] for index in seen)


def test_the_note_names_the_rarest_classes():
    assert note_on_repeats(DATA, 0.25, 17) == (
        "repeat factor: 17 draws of 16 images per epoch; 1 classes are repeated, most of all rare 2.0"
    )
    assert note_on_repeats(DATA, 0.01, 16).endswith("no class is that rare")
