"""What a data set is read as, in a form that tests compare."""

from collections import Counter

from condetr.data.object_masks import object_masks
from tests.unit.data.checking import check


def found(path, **options):
    """Objects by split and image, each a class and a box rounded to a tenth; and the counts of problems by code."""
    splits, report = check(path, **options)
    objects = {
        split: {
            dataset.name_of(example): [
                (dataset.classes.names[labeled.label], tuple(round(side, 1) for side in labeled.box))
                for labeled in example.objects
            ]
            for example in dataset
        }
        for split, dataset in splits.items()
    }
    return objects, Counter({kind.code: count for kind, count in report.counts.items()})


def messages(path):
    return [str(finding) for finding in check(path)[1]]


def mask_areas(path, split="all"):
    """The pixels of each object of a split, by image."""
    dataset = check(path, masks=True)[0][split]
    return {
        dataset.name_of(example): object_masks(example, example.objects).flatten(1).sum(dim=1).tolist()
        for example in dataset
    }
