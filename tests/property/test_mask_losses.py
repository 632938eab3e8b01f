"""Tiny random cases, against the definition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from condetr.core.records import Target
from condetr.losses.masks import MaskSupervision, mask_losses
from condetr.matching.assignment import Assignment
from tests.plain_mask_losses import plain_mask_losses


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.integers(0, 3), min_size=1, max_size=3),
    frame=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    grid=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padded=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_is_what_the_authors_define(counts, frame, grid, padded, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(len(counts), 4, *grid, generator=generator, dtype=torch.float64)
    targets, images, queries, objects = [], [], [], []
    real = torch.zeros(len(counts), *frame, dtype=torch.bool)
    for image, count in enumerate(counts):
        height, width = (int(torch.randint(1, side + 1, (), generator=generator)) for side in frame)
        real[image, :height, :width] = True
        masks = torch.rand(count, height, width, generator=generator) > 0.5
        targets.append(Target(torch.zeros(count, dtype=torch.int64), torch.zeros(count, 4), masks))
        images += [image] * count
        queries += torch.randperm(4, generator=generator)[:count].tolist()
        objects += range(count)
    matched = Assignment(*(torch.tensor(part, dtype=torch.int64) for part in (images, [queries], [objects])))
    seen = real if padded else None
    found = mask_losses(MaskSupervision(lambda i, q: logits[i, q], frame, seen), matched, targets)
    expected = plain_mask_losses(logits, targets, frame, seen, matched)
    assert [loss.item() for loss in found] == pytest.approx(expected, rel=1e-9, abs=1e-12)
