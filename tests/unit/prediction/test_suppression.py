import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from condetr.core.boxes import iou
from condetr.prediction.suppression import without_duplicates


def plainly(boxes, scores, labels, views):
    """Each with each."""
    kept, same = [], iou(boxes[:, None], boxes[None]) >= 0.5
    for i in scores.argsort(descending=True, stable=True).tolist():
        if not any(same[i, k] and views[k] != views[i] and labels[k] == labels[i] for k in kept):
            kept.append(i)
    return kept


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 0.01, 5000.0]), st.integers(1, 3))
def test_the_same_are_kept_as_by_comparing_each_with_each(seed, scale, classes):
    rng = np.random.default_rng(seed)
    first = rng.uniform(0, 30, (6, 4)).round(rng.integers(0, 3))
    near = first[rng.integers(0, 6, 40)] + rng.normal(0, 2, (40, 4)) * (rng.uniform(size=(40, 1)) < 0.8)
    corners = torch.from_numpy(np.concatenate([first, near]) * scale).float().reshape(-1, 2, 2)
    boxes = corners.sort(dim=1).values.reshape(-1, 4)
    boxes[3, 2:] = boxes[3, :2]  # without area
    scores = torch.from_numpy(rng.integers(0, 9, len(boxes)) / 10).float()
    labels, views = (torch.from_numpy(rng.integers(0, most, len(boxes))) for most in (classes, 4))
    assert without_duplicates(boxes, scores, labels, views).tolist() == plainly(boxes, scores, labels, views)


def test_halves_and_doubles_at_the_limit():
    """An IoU of exactly 1/2, as far apart in size and place as it may be."""
    base = torch.tensor([0.0, 0.0, 6.0, 6.0])
    others = [[0, 0, 12, 6], [0, 0, 6, 3], [2, 0, 8, 6], [-2, 0, 4, 6], [0, 2, 6, 8], [0, -6, 6, 6], [3, 0, 6, 6]]
    for size in (1.0, 1.05, 1.3, 1.7, 1.99, 2.0, 1e-3, 1e4):
        for other in others:
            boxes = torch.stack([base, torch.tensor(other, dtype=torch.float32)]) * size + 100
            kept = without_duplicates(boxes, torch.tensor([0.9, 0.8]), torch.zeros(2).long(), torch.tensor([0, 1]))
            assert len(kept) == len(plainly(boxes, torch.tensor([0.9, 0.8]), [0, 0], [0, 1]))


def test_thousands_of_detections_are_few_comparisons(monkeypatch):
    from condetr.prediction import suppression

    compared = 0

    def counting(box, others):
        nonlocal compared
        compared += len(others)
        return iou(box, others)

    monkeypatch.setattr(suppression, "iou", counting)
    side = 30
    left, top = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="xy")
    boxes = torch.stack([left, top, left + 0.9, top + 0.9], dim=-1).reshape(-1, 4).float() * 20
    count = len(boxes)
    kept = without_duplicates(boxes, torch.rand(count), torch.zeros(count).long(), torch.arange(count))
    assert len(kept) == count
    assert compared < 10 * count
