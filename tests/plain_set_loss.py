"""The set loss word by word from the papers, for one number at a time. Slow, and knows nothing of src/."""

from itertools import permutations
from math import exp, log


def focal(logit: float, positive: bool, alpha: float) -> float:
    score = 1 / (1 + exp(-logit))
    right, weight = (score, alpha) if positive else (1 - score, 1 - alpha)
    return -weight * (1 - right) ** 2 * log(right)


def l1(one: list[float], other: list[float]) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def giou(one: list[float], other: list[float]) -> float:
    def sides(box):
        cx, cy, w, h = box
        return (cx - w / 2, cx + w / 2), (cy - h / 2, cy + h / 2), w * h

    (x, y, area), (other_x, other_y, other_area) = sides(one), sides(other)
    overlap = 1.0
    hull = 1.0
    for (a, b), (c, d) in ((x, other_x), (y, other_y)):
        overlap *= max(0.0, min(b, d) - max(a, c))
        hull *= max(b, d) - min(a, c)
    union = area + other_area - overlap
    return overlap / union - (hull - union) / hull


def cost(logits: list[float], box: list[float], label: int, wanted: list[float]) -> float:
    classes = focal(logits[label], True, 0.25) - focal(logits[label], False, 0.25)
    return 2 * classes + 5 * l1(box, wanted) - 2 * giou(box, wanted)


def cheapest(costs: list[list[float]]) -> list[tuple[int, int]]:
    """The best of all ways to pair rows (queries) with columns (objects), until one side has run out."""
    rows, columns = len(costs), len(costs[0]) if costs else 0
    if rows < columns:
        ways = (list(enumerate(way)) for way in permutations(range(columns), rows))
    else:
        ways = ([(row, column) for column, row in enumerate(way)] for way in permutations(range(rows), columns))
    return min(ways, key=lambda way: sum(costs[row][column] for row, column in way))


def layer_terms(logits, boxes, targets, alpha: float) -> tuple[float, float, float]:
    """Focal, L1 and GIoU of one decoder layer, summed over the batch; arguments are nested lists."""
    classes = distance = overlap = 0.0
    for scores, places, (labels, wanted) in zip(logits, boxes, targets, strict=True):
        pairs = cheapest(
            [
                [cost(s, p, label, box) for label, box in zip(labels, wanted, strict=True)]
                for s, p in zip(scores, places, strict=True)
            ]
        )
        asked = {query: labels[item] for query, item in pairs}
        classes += sum(
            focal(logit, asked.get(query) == name, alpha)
            for query, row in enumerate(scores)
            for name, logit in enumerate(row)
        )
        distance += sum(l1(places[query], wanted[item]) for query, item in pairs)
        overlap += sum(1 - giou(places[query], wanted[item]) for query, item in pairs)
    return classes, distance, overlap
