import pytest
import torch

from condetr.losses.metrics import cardinality_errors, class_error


def test_cardinality_counts_queries_above_a_half():
    logits = torch.full((2, 2, 4, 3), -1.0)
    logits[0, 0, :3, 1] = 0.1  # three queries found in the first image, two classes in one of them
    logits[0, 0, 0, 2] = 5.0
    logits[1, 1, 2, 0] = 0.1
    assert cardinality_errors(logits, (1, 2)).tolist() == [(2 + 2) / 2, (1 + 1) / 2]


def test_the_last_class_is_a_class():
    """The authors, and transformers 4.34, take a best last class for "nothing there"."""
    logits = torch.full((1, 1, 4, 3), -1.0)
    logits[..., 2] = 3.0
    assert cardinality_errors(logits, (4,)).tolist() == [0]


def test_class_error_is_the_share_of_wrong_classes():
    logits = torch.eye(4)[[0, 1, 2, 2]]
    assert class_error(logits, torch.arange(4)).item() == pytest.approx(25)
    assert class_error(logits, torch.tensor([0, 1, 2, 2])).item() == 0
    assert class_error(logits[:0], torch.arange(0)).item() == 100
