"""One-to-many targets: the objects of an image repeated, so that several queries learn from each."""

from collections.abc import Sequence

from condetr.core.records import Target


def repeated_objects(targets: Sequence[Target], times: int, queries: int) -> list[Target]:
    """Each object ``times`` times, or as often as there are ``queries`` for all of them; at least once. No masks."""
    repetitions = [max(1, min(times, queries // max(1, len(target)))) for target in targets]
    return [
        Target(target.labels.repeat(count), target.boxes.repeat(count, 1))
        for target, count in zip(targets, repetitions, strict=True)
    ]
