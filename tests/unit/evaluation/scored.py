"""Objects and detections to measure: labeled scenes with the truth distorted, and columns of random boxes."""

import numpy as np
import torch

from condetr.evaluation.arrays import GroundTruth, PredictedObjects
from condetr.images.detections import Detections


def detections(dataset, rows, image=0):
    """Rows of (label, score, x1, y1, x2, y2) as they come for one image."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)
    labels = table[:, 0].long()
    names = tuple(dataset.classes.names[label] for label in labels.tolist())
    example = dataset[image]
    return Detections(table[:, 2:], table[:, 1], labels, names, example.size, str(example.path))


def perfect(dataset):
    return [
        detections(dataset, [(labeled.label, 0.9, *labeled.box) for labeled in example.objects], position)
        for position, example in enumerate(dataset)
    ]


def distorted(dataset, seed=0):
    """Some objects are missed, some found twice, many a little aside or under another name; some are not there."""
    rng = np.random.default_rng(seed)
    found = []
    for position, example in enumerate(dataset):
        rows = []
        for labeled in example.objects:
            for _ in range(int(rng.choice([0, 1, 1, 1, 2]))):
                width = labeled.box[2] - labeled.box[0]
                x1, y1, x2, y2 = np.array(labeled.box) + rng.normal(0, width * rng.choice([0.02, 0.15]), 4)
                label = labeled.label if rng.random() < 0.8 else rng.integers(len(dataset.classes))
                rows.append((label, rng.beta(4, 2), x1, y1, max(x1, x2), max(y1, y2)))
        for _ in range(int(rng.integers(0, 3))):
            x, y = rng.uniform(0, 60, 2)
            rows.append((rng.integers(len(dataset.classes)), rng.beta(2, 3), x, y, x + 20, y + 20))
        found.append(detections(dataset, sorted(rows, key=lambda row: -row[1]), position))
    return found


def columns(seed, *, images=12, classes=4, crowds=0.15, ties=False, most=5, times=3):
    """Random objects, and random boxes around them."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, most * images))
    corner, side = (
        rng.uniform(0, 150, (count, 2)),
        rng.choice([10, 40, 120], (count, 1)) * rng.uniform(0.5, 1.5, (count, 2)),
    )
    boxes, labels = np.concatenate((corner, side), axis=1), rng.integers(0, classes, count)
    at = np.sort(rng.integers(0, images, count))
    truth = GroundTruth(at, labels, boxes, side.prod(1), rng.random(count) < crowds)
    about = np.sort(rng.integers(0, count, times * count))
    near = boxes[about] + rng.normal(0, 4, (len(about), 4)) * (1, 1, 1.4, 1.4)
    near[:, 2:] = np.maximum(near[:, 2:], 0)
    called = np.where(rng.random(len(about)) < 0.75, labels[about], rng.integers(0, classes, len(about)))
    scores = rng.random(len(about))
    return truth, PredictedObjects(at[about], called, near, scores.round(1) if ties else scores)
