"""Signed distances of simple shapes, positive inside, in units of the frame that they are drawn in."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

Plane: TypeAlias = Float[np.ndarray, "rows columns"]
Number: TypeAlias = float | int
Point: TypeAlias = tuple[Number, Number]


def disk(u: Plane, v: Plane, x: Number = 0.0, y: Number = 0.0, r: Number = 1.0) -> Plane:
    return r - np.hypot(u - x, v - y)


def capsule(u: Plane, v: Plane, start: Point, end: Point, radius: Number) -> Plane:
    """A thick line with round ends."""
    (x, y), (dx, dy) = start, (end[0] - start[0], end[1] - start[1])
    along = np.clip(((u - x) * dx + (v - y) * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
    return radius - np.hypot(u - x - along * dx, v - y - along * dy)


def slab(u: Plane, v: Plane, left: Number, top: Number, right: Number, bottom: Number) -> Plane:
    """A rectangle."""
    across = np.abs(u - (left + right) / 2) - (right - left) / 2
    down = np.abs(v - (top + bottom) / 2) - (bottom - top) / 2
    return -np.maximum(across, down)


def convex(u: Plane, v: Plane, corners: Sequence[Point]) -> Plane:
    """A convex polygon, its corners clockwise."""
    distance: Plane | None = None
    for (x, y), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
        length = float(np.hypot(x2 - x, y2 - y)) or 1.0
        side = ((v - y) * (x2 - x) - (u - x) * (y2 - y)) / length
        distance = side if distance is None else np.minimum(distance, side)
    assert distance is not None
    return distance


def radial(u: Plane, v: Plane, radii: np.ndarray) -> Plane:
    """A shape that every ray from the center leaves once, defined by its radius at equal steps of the angle."""
    turns = (np.arctan2(v, u) / (2 * np.pi) % 1.0) * len(radii)
    low = turns.astype(np.int32) % len(radii)
    share = turns - np.floor(turns)
    radius = radii[low] * (1 - share) + radii[(low + 1) % len(radii)] * share
    return (radius - np.hypot(u, v)).astype(np.float32)


ANGLES = np.arange(128) * (2 * np.pi / 128)


def wobbly(rng: np.random.Generator, waves: int, depth: float) -> np.ndarray:
    """Radii of a smooth random outline, at most 1."""
    orders = np.arange(1, waves + 1)
    strengths = rng.normal(0, depth, waves) / orders**0.7
    phases = rng.uniform(0, 2 * np.pi, waves)
    radii = 1 + (strengths[:, None] * np.cos(orders[:, None] * ANGLES + phases[:, None])).sum(0)
    radii = np.clip(radii, 0.25, None)
    return (radii / radii.max()).astype(np.float32)
