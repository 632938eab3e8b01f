"""Panoptic quality and mean IoU computed plainly, segment by segment and pixel by pixel, on arrays of numbers."""

from collections import defaultdict

import numpy as np


def plain_quality(images, classes):
    """``images``: (truth, {number: (class, is_crowd)}, answer, {number: class}); 0 in an array is void.

    Answers (pq, sq, rq) by class, and the IoU of each class's pixels.
    """
    ious, found_wrong, missed = defaultdict(list), defaultdict(int), defaultdict(int)
    for truth, true_names, answer, found_names in images:
        partners = {}
        for t, (label, crowd) in true_names.items():
            for f, other in found_names.items():
                shared = np.sum((truth == t) & (answer == f))
                union = np.sum((truth == t) | ((answer == f) & (truth != 0)))
                if label == other and not crowd and union and shared / union > 0.5:
                    ious[label].append(shared / union)
                    partners[t] = f
        for t, (label, crowd) in true_names.items():
            missed[label] += t not in partners and not crowd and np.any(truth == t)
        for f, label in found_names.items():
            if f in partners.values():
                continue
            crowds = [t for t, (name, crowd) in true_names.items() if crowd and name == label]
            excused = [0, *crowds[-1:]]  # panopticapi has one crowd a class: the last
            if np.sum(np.isin(truth[answer == f], excused)) <= 0.5 * np.sum(answer == f):
                found_wrong[label] += 1
    qualities, pixels = {}, {}
    for label in range(classes):
        hits, errors = ious[label], found_wrong[label] + missed[label]
        if hits or errors:
            weight = len(hits) + errors / 2
            qualities[label] = (sum(hits) / weight, sum(hits) / max(1, len(hits)), len(hits) / weight)
        shared = union = 0
        for truth, true_names, answer, found_names in images:
            is_true = np.isin(truth, [t for t, (name, _) in true_names.items() if name == label])
            is_found = np.isin(answer, [f for f, name in found_names.items() if name == label]) & (truth != 0)
            shared, union = shared + np.sum(is_true & is_found), union + np.sum(is_true | is_found)
        if union:
            pixels[label] = shared / union
    return qualities, pixels
