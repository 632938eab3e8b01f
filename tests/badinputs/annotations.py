"""What the data room makes of an annotation case: called by the adapter of the corpus, and by our own test."""

from pathlib import Path
from typing import Any

import torch

from condetr.core.boxes import xyxy_to_cxcywh
from condetr.core.records import Target
from condetr.data.checks.check import check_splits, read_leniently
from condetr.data.checks.verdict import require_usable
from condetr.data.discovery.formats import read_dataset
from condetr.data.object_masks import object_masks
from condetr.data.records import Dataset
from condetr.images.batch import Batch
from condetr.images.decoding.decode import decode
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import set_loss
from condetr.matching.matching_costs import MatchingCosts
from tests.tiny import PREPROCESSING, tiny_detector


def is_annotation_case(case: dict[str, Any]) -> bool:
    return case["use"].startswith("dataset")


def observe(case: dict[str, Any], path: Path) -> dict[str, Any]:
    """Read the data set and check it, as `condetr train` does before it begins; only that here images without any
    object are read, whose training step is to be finite, too.

    Raises:
        CondetrError: it is refused.
    """
    splits, report = read_leniently(path)
    report.refuse()
    check_splits(splits, report)
    (dataset,) = (require_usable(split, path) for split in splits.values())
    if "masks" in case["use"]:
        dataset = read_dataset(path, masks=True)
        for example in dataset:  # every outline that is kept can be painted
            masks = object_masks(example, example.objects)
            assert masks.flatten(1).any(dim=1).all(), f"{example.path}: an object without a pixel"
    observed = {
        "images": len(dataset),
        "boxes": sum(len(example.objects) for example in dataset),
        "labels": sorted({labeled.label for example in dataset for labeled in example.objects}),
        "num_labels": len(dataset.classes),
        "first_image_size": list(dataset.examples[0].size),
        "finite": all(torch.isfinite(_boxes(dataset, i)).all() for i in range(len(dataset))),
        "report": f"{dataset.report}\n{report}",
    }
    expected = case["expect"].get("check", {})
    if "box" in expected:
        boxes = {labeled.id: labeled.box for example in dataset for labeled in example.objects}
        x1, y1, x2, y2 = boxes.get(expected["box"][0]) or next(iter(boxes.values()))
        observed["box"] = [x1, y1, x2 - x1, y2 - y1]  # as COCO has it
    if "batch" in expected or "train_step" in case["use"]:
        batch = PREPROCESSING.prepare([decode(example.path) for example in dataset])
        observed["batch"] = len(batch)
        observed["finite"] = observed["finite"] and bool(batch.pixels.isfinite().all())
        if "train_step" in case["use"]:
            observed["finite"] = observed["finite"] and _trains(dataset, batch)
    return observed


def _boxes(dataset: Dataset, position: int) -> torch.Tensor:
    return torch.tensor([labeled.box for labeled in dataset.examples[position].objects]).reshape(-1, 4)


def _trains(dataset: Dataset, batch: Batch) -> bool:
    """Whether one step over all images gives a finite loss and finite gradients."""
    model = tiny_detector().train()
    targets = []
    for i, example in enumerate(dataset):
        height, width = example.size
        labels = torch.tensor([labeled.label for labeled in example.objects], dtype=torch.int64)
        boxes = xyxy_to_cxcywh(_boxes(dataset, i) / torch.tensor([width, height, width, height]))
        targets.append(Target(labels, boxes))
    losses = set_loss(model.predict_layers(batch.pixels, batch.mask), targets, MatchingCosts(), LossWeights())
    losses.total.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return bool(losses.total.isfinite()) and all(bool(gradient.isfinite().all()) for gradient in gradients)
