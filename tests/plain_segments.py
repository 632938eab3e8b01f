"""Panoptic post-processing said again, pixel by pixel and query by query, as slow as it is plain."""

import torch
from torch.nn.functional import interpolate


def plain_segments(logits, masks, size, *, threshold=0.5, mask_threshold=0.5, overlap=0.8, fused=()):
    """The map, and (id, label, score) of each segment."""
    scores = logits.sigmoid()
    probabilities = interpolate(masks.sigmoid()[None], size=size, mode="bilinear", align_corners=False)[0]
    queries = [q for q in range(len(logits)) if scores[q].max() > threshold]
    names = {q: int(scores[q].argmax()) for q in queries}
    # what is one segment in the end: ("class", 3) or ("query", 7)
    things = {q: ("class", names[q]) if names[q] in fused else ("query", q) for q in queries}
    height, width = size
    owner = [[None] * width for _ in range(height)]
    for y in range(height):
        for x in range(width):
            covering = [q for q in queries if probabilities[q, y, x] >= mask_threshold]
            if covering:
                owner[y][x] = things[max(covering, key=lambda q: float(scores[q].max() * probabilities[q, y, x]))]
    plane, segments = torch.zeros(size, dtype=torch.int32), []
    for thing in dict.fromkeys(things.values()):
        members = [q for q in queries if things[q] == thing]
        mine = torch.tensor([[one == thing for one in row] for row in owner])
        covered = (probabilities[members] >= mask_threshold).any(0).sum().item()
        if mine.any() and mine.sum().item() > overlap * covered:
            segments.append((len(segments) + 1, names[members[0]], max(float(scores[q].max()) for q in members)))
            plane[mine] = len(segments)
    return plane, segments
