"""What a network would answer that knew the truth: one sure query for each segment, masks at any stride."""

import torch
from torch.nn.functional import avg_pool2d

from condetr.data.object_masks import object_masks

SURE = 12.0


def perfect_outputs(example, classes, *, stride=1):
    """Logits and masks of one image, as batches of one; masks are the share of each cell, before the sigmoid."""
    segments = (*example.objects, *example.crowds)
    logits = torch.full((1, len(segments), classes), -SURE)
    for query, labeled in enumerate(segments):
        logits[0, query, labeled.label] = SURE
    inside = object_masks(example, segments).float()[None]
    shares = avg_pool2d(inside, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else inside
    return logits, shares.clamp(1e-4, 1 - 1e-4).logit()
