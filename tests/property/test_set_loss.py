"""Tiny random cases, against the definition and under renumbering."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from condetr.core.records import Prediction, Target
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import set_loss
from condetr.matching.matching_costs import MatchingCosts
from tests.plain_set_loss import layer_terms

sizes = st.fixed_dictionaries(
    {
        "layers": st.integers(1, 3),
        "counts": st.lists(st.integers(0, 4), min_size=1, max_size=3),
        "queries": st.integers(1, 5),
        "classes": st.integers(1, 4),
        "seed": st.integers(0, 2**31),
    }
)


def random_case(layers, counts, queries, classes, seed):
    generator = torch.Generator().manual_seed(seed)

    def boxes(*shape):
        return torch.rand(*shape, 4, generator=generator, dtype=torch.float64) * 0.4 + 0.1

    def prediction():
        logits = 1.5 * torch.randn(len(counts), queries, classes, generator=generator, dtype=torch.float64)
        return Prediction(logits, boxes(len(counts), queries))

    predictions = [prediction() for _ in range(layers)]
    targets = [Target(torch.randint(classes, (count,), generator=generator), boxes(count)) for count in counts]
    return predictions, targets


def losses_of(predictions, targets, alpha=0.25):
    return set_loss(predictions, targets, MatchingCosts(), LossWeights(alpha=alpha))


@settings(deadline=None, max_examples=60)
@given(sizes, st.sampled_from([0.0, 0.25, 0.7, 1.0]))
def test_is_what_the_papers_define(size, alpha):
    predictions, targets = random_case(**size)
    losses = losses_of(predictions, targets, alpha)
    plain_targets = [(target.labels.tolist(), target.boxes.tolist()) for target in targets]
    count = max(sum(size["counts"]), 1)
    total = 0.0
    for layer, (logits, boxes) in enumerate(predictions):
        expected = [term / count for term in layer_terms(logits.tolist(), boxes.tolist(), plain_targets, alpha)]
        found = [term[layer].item() for term in (losses.classes, losses.boxes, losses.giou)]
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
        total += 2 * expected[0] + 5 * expected[1] + 2 * expected[2]
    assert losses.total.item() == pytest.approx(total, rel=1e-6)
    assert losses.unmatched == sum(max(0, count - size["queries"]) for count in size["counts"])


@settings(deadline=None, max_examples=30)
@given(sizes)
def test_neither_queries_nor_objects_nor_images_have_an_order(size):
    predictions, targets = random_case(**size)
    generator = torch.Generator().manual_seed(size["seed"])
    images = torch.randperm(len(targets), generator=generator)
    queries = torch.randperm(size["queries"], generator=generator)
    shuffled_predictions = [
        Prediction(logits[images][:, queries], boxes[images][:, queries]) for logits, boxes in predictions
    ]
    shuffled_targets = []
    for image in images.tolist():
        order = torch.randperm(len(targets[image]), generator=generator)
        shuffled_targets.append(Target(targets[image].labels[order], targets[image].boxes[order]))
    one, other = losses_of(predictions, targets), losses_of(shuffled_predictions, shuffled_targets)
    torch.testing.assert_close(one.total, other.total)
    torch.testing.assert_close(one.cardinality_error, other.cardinality_error)
    torch.testing.assert_close(one.class_error, other.class_error)
