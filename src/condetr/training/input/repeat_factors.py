"""Repeat-factor sampling: images of rare classes are drawn more often. Gupta et al., LVIS, CVPR 2019, section 4.

A class that is in a share f of the images has the factor max(1, sqrt(threshold / f)), an image the largest factor of
its classes. An epoch draws an image as often as its factor says: the whole part always, one more time with the fraction
as probability. Other than in LVIS all epochs are equally long: the sum of all fractions is rounded.
"""

import math

import numpy as np
import torch

from condetr.data.records import Dataset

SHOWN = 3  # classes


def class_factors(dataset: Dataset, threshold: float) -> dict[int, float]:
    """The repeat factor of each class that has objects, by label."""
    objects = dataset.columns.objects()
    pairs = np.unique(np.column_stack((objects.labels, objects.images)), axis=0)
    labels, counts = (column.tolist() for column in np.unique(pairs[:, 0], return_counts=True))
    frequent = zip(labels, counts, strict=True)
    return {label: max(1.0, math.sqrt(threshold * len(dataset) / count)) for label, count in frequent}


def image_factors(dataset: Dataset, threshold: float) -> tuple[float, ...]:
    """The repeat factor of each image; 1 for those without objects."""
    classes = class_factors(dataset, threshold)
    objects, of_class = dataset.columns.objects(), np.ones(len(dataset.classes))
    of_class[list(classes)] = list(classes.values())
    factors = np.ones(len(dataset))
    np.maximum.at(factors, objects.images, of_class[objects.labels])
    return tuple(factors.tolist())


def draws_per_epoch(factors: tuple[float, ...]) -> int:
    return sum(map(math.floor, factors)) + round(sum(factor % 1 for factor in factors))


def drawn_images(factors: tuple[float, ...], generator: torch.Generator) -> torch.Tensor:
    """The images of one epoch, `draws_per_epoch` many, those that are drawn several times side by side.

    Systematic sampling in a random order: the fraction of an image is its probability of one more draw.
    """
    exact = torch.tensor(factors, dtype=torch.float64)
    counts = exact.floor().long()
    fractions, extra = exact - counts, draws_per_epoch(factors) - int(counts.sum())
    if extra:
        order = torch.randperm(len(factors), generator=generator)
        ends = fractions[order].cumsum(0) * (extra / float(fractions.sum()))
        ends[-1] = extra
        steps = (ends + torch.rand((), dtype=torch.float64, generator=generator)).floor().long()
        counts[order] += steps.diff(prepend=steps.new_zeros(1))
    return torch.repeat_interleave(counts)


def note_on_repeats(dataset: Dataset, threshold: float, draws: int) -> str:
    """How many images are drawn, and the classes that are repeated most."""
    classes = {label: factor for label, factor in class_factors(dataset, threshold).items() if factor > 1}
    rarest = sorted(classes, key=lambda label: -classes[label])[:SHOWN]
    named = ", ".join(f"{dataset.classes.names[label]} {classes[label]:.1f}" for label in rarest)
    repeated = f"{len(classes)} classes are repeated, most of all {named}" if classes else "no class is that rare"
    return f"repeat factor: {draws} draws of {len(dataset)} images per epoch; {repeated}"
