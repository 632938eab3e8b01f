"""The shapes of every kind of thing, as layers of coverage on a small grid.

A kind is drawn in its own frame: u to the right, v down, the thing between -1 and 1. A function of the frame gives
signed distances, roughly in units of that frame and positive inside; the grid turns them into coverage with smooth
edges.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from condetr.data.synthetic.forms import ANGLES, Plane, Point, capsule, convex, disk, radial, slab, wobbly

Draw: TypeAlias = Callable[[np.random.Generator, Plane, Plane], Sequence[Plane]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of things.

    Attributes:
        draw: signed distances of its parts; the first is the whole thing or its largest part.
        aspect: range of width over height.
        turn: largest angle in degrees by which it is turned to either side.
        hollow: whether it may be drawn as an outline only.
    """

    draw: Draw
    aspect: tuple[float, float] = (0.7, 1.4)
    turn: float = 180.0
    hollow: bool = True


def _spot(rng: np.random.Generator, reach: float) -> Point:
    return rng.uniform(-reach, reach), rng.uniform(-reach, reach)


def _disk(_: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    return [disk(u, v)]


def _ring(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    width = rng.uniform(0.12, 0.3)
    return [width - np.abs(np.hypot(u, v) - (1 - width))]


def _rectangle(_: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    return [slab(u, v, -1, -1, 1, 1)]


def _polygon(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    count = int(rng.integers(5, 9))
    angles = (np.arange(count) + rng.uniform(-0.2, 0.2, count)) * 2 * np.pi / count
    return [convex(u, v, [(float(np.cos(a)), float(np.sin(a))) for a in angles])]


def _triangle(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    return [convex(u, v, [(float(rng.uniform(-0.6, 0.6)), -1.0), (1.0, 1.0), (-1.0, 1.0)])]


def _star(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    points, inner = int(rng.integers(4, 9)), rng.uniform(0.3, 0.6)
    wave = np.abs((ANGLES * points / (2 * np.pi)) % 1.0 - 0.5) * 2
    return [radial(u, v, (inner + (1 - inner) * wave).astype(np.float32))]


def _flower(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    petals, depth = int(rng.integers(3, 9)), rng.uniform(0.15, 0.4)
    outline = radial(u, v, (1 - depth + depth * np.cos(petals * ANGLES)).astype(np.float32))
    return [outline, disk(u, v, r=rng.uniform(0.15, 0.35))]


def _gear(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    teeth, depth = int(rng.integers(6, 13)), rng.uniform(0.12, 0.28)
    wave = np.clip(3 * np.sin(teeth * ANGLES), -1, 1)
    hole = rng.uniform(0.2, 0.4)
    whole = radial(u, v, (1 - depth / 2 + depth / 2 * wave).astype(np.float32))
    return [np.minimum(whole, -disk(u, v, r=hole))]


def _cross(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    half = rng.uniform(0.15, 0.4)
    return [np.maximum(slab(u, v, -1, -half, 1, half), slab(u, v, -half, -1, half, 1))]


def _crescent(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    bite = rng.uniform(0.3, 0.7)
    return [np.minimum(disk(u, v), -disk(u, v, bite, 0, rng.uniform(0.75, 0.95)))]


def _heart(_: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    lobes = np.maximum(disk(u, v, -0.48, -0.42, 0.52), disk(u, v, 0.48, -0.42, 0.52))
    return [np.maximum(lobes, convex(u, v, [(-0.93, -0.16), (0.93, -0.16), (0.0, 1.0)]))]


def _arrow(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    neck, half = rng.uniform(-0.1, 0.4), rng.uniform(0.15, 0.35)
    return [np.maximum(slab(u, v, -1, -half, neck, half), convex(u, v, [(neck, -1.0), (1.0, 0.0), (neck, 1.0)]))]


def _blob(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    return [radial(u, v, wobbly(rng, 5, 0.22))]


def _cut_out(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    """An arbitrary silhouette: where a smooth field of noise is high."""
    waves = rng.normal(0, 1.9, (7, 2))
    phases, strengths = rng.uniform(0, 2 * np.pi, 7), rng.normal(0, 0.3, 7)
    field = sum(s * np.cos(a * u + b * v + p) for s, (a, b), p in zip(strengths, waves, phases, strict=True))
    return [(0.75 - np.hypot(u, v) + 0.45 * field).astype(np.float32)]


def _cell(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    """A body with a nucleus or a pale middle."""
    outline = radial(u, v, wobbly(rng, 3, 0.06))
    x, y = rng.uniform(-0.25, 0.25, 2)
    return [outline, disk(u, v, x, y, rng.uniform(0.25, 0.65)) + 0.1 * np.cos(5 * u + 4 * v)]


def _lobed_cell(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    """A body with a nucleus of two to four lobes."""
    lobes = [disk(u, v, *_spot(rng, 0.4), r=rng.uniform(0.2, 0.4)) for _ in range(int(rng.integers(2, 5)))]
    return [radial(u, v, wobbly(rng, 3, 0.05)), np.maximum.reduce(lobes)]


def _leaf(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    offset = rng.uniform(0.5, 0.9)
    radius = float(np.hypot(1, offset))
    body = np.minimum(disk(u, v, 0, offset, radius), disk(u, v, 0, -offset, radius))
    return [body, capsule(u, v, (-0.95, 0), (0.95, 0), 0.03)]


def _spiral(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    turns = rng.uniform(1.5, 2.6)
    radius = np.hypot(u, v)
    phase = (radius * turns - np.arctan2(v, u) / (2 * np.pi)) % 1.0
    return [np.minimum((0.27 - np.abs(phase - 0.5)) / turns, 1 - radius)]


def _person(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    """Head, trunk, two arms, two legs; the parts have colors of their own."""
    stride, swing = rng.uniform(0.05, 0.6), rng.uniform(0.2, 0.8)
    head = disk(u * 0.45, v, 0, -0.84, 0.16)
    trunk = capsule(u * 0.45, v, (0, -0.52), (0, -0.02), rng.uniform(0.15, 0.22))
    legs = np.maximum(
        capsule(u * 0.45, v, (-0.06, 0.0), (-0.4 * stride, 0.93), 0.08),
        capsule(u * 0.45, v, (0.06, 0.0), (0.4 * stride, 0.93), 0.08),
    )
    reach = 0.05 - 0.5 * rng.random() * (rng.random() < 0.3)
    arms = np.maximum(
        capsule(u * 0.45, v, (-0.14, -0.55), (-0.45 * swing, reach), 0.06),
        capsule(u * 0.45, v, (0.14, -0.55), (0.45 * swing, reach), 0.06),
    )
    return [np.maximum.reduce([head, trunk, legs, arms]), legs, trunk, head]


def _animal(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    """A body on four legs, a head with ears to one side, a tail to the other."""
    height = rng.uniform(-0.6, -0.1)
    body = disk(u, v * 1.6, 0.0, 0.0, 0.72)
    head = disk(u, v, -0.7, height, 0.3)
    ears = np.maximum(disk(u, v, -0.85, height - 0.28, 0.13), disk(u, v, -0.55, height - 0.28, 0.13))
    legs = np.maximum.reduce(
        [capsule(u, v, (x, 0.3), (x + rng.uniform(-0.1, 0.1), 0.9), 0.09) for x in (-0.5, -0.3, 0.3, 0.5)]
    )
    tail = capsule(u, v, (0.65, 0.0), (0.92, rng.uniform(-0.7, 0.4)), 0.07)
    return [np.maximum.reduce([body, head, ears, legs, tail]), head, ears]


def _face(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    gap, size = rng.uniform(0.25, 0.45), rng.uniform(0.08, 0.2)
    eyes = np.maximum(disk(u, v, -gap, -0.2, size), disk(u, v, gap, -0.2, size))
    mouth = capsule(u, v, (-0.35, 0.45), (0.35, 0.45), rng.uniform(0.05, 0.15))
    return [radial(u, v, wobbly(rng, 2, 0.06)), eyes, mouth]


def _car(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    roof = rng.uniform(-0.95, -0.7)
    body = slab(u, v, -1, -0.15, 1, 0.6)
    cabin = convex(u, v, [(-0.45, roof), (0.35, roof), (0.65, -0.1), (-0.7, -0.1)])
    wheels = np.maximum(disk(u, v, -0.55, 0.62, 0.36), disk(u, v, 0.55, 0.62, 0.36))
    window = convex(u, v, [(-0.38, roof + 0.15), (0.28, roof + 0.15), (0.48, -0.15), (-0.52, -0.15)])
    return [np.maximum.reduce([body, cabin, wheels]), wheels, window]


def _house(_: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    wall = slab(u, v, -0.8, -0.2, 0.8, 1)
    roof = convex(u, v, [(0.0, -1.0), (1.0, -0.15), (-1.0, -0.15)])
    return [np.maximum(wall, roof), roof, slab(u, v, -0.2, 0.35, 0.2, 1), slab(u, v, 0.35, 0.1, 0.65, 0.4)]


def _tree(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    crown = radial(u, (v + 0.35) * 1.5, wobbly(rng, 9, 0.16))
    trunk = slab(u, v, -0.12, 0.1, 0.12, 1)
    return [np.maximum(crown, trunk), crown]


def _bottle(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    shoulder = rng.uniform(-0.5, -0.1)
    body, neck = slab(u, v, -1, shoulder, 1, 1), slab(u, v, -0.4, -1, 0.4, shoulder + 0.1)
    return [np.maximum(body, neck), slab(u, v, -1, shoulder + 0.3, 1, shoulder + 0.8)]


def _fish(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    body = disk(u, v * 1.3, -0.2, 0, 0.8)
    tail = convex(u, v, [(0.4, 0.0), (1.0, -0.8), (1.0, 0.8)])
    return [np.maximum(body, tail), disk(u, v, -0.65, -0.12, rng.uniform(0.08, 0.14))]


def _bird(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    lift = rng.uniform(-0.9, 0.5)
    body = disk(u, v * 2.4, 0, 0.3, 0.45)
    wings = np.maximum(
        convex(u, v, [(-1.0, lift), (0.05, -0.05), (0.05, 0.3)]),
        convex(u, v, [(1.0, lift), (0.05, 0.3), (-0.05, -0.05)]),
    )
    return [np.maximum(body, wings), body]


def _cluster(rng: np.random.Generator, u: Plane, v: Plane) -> Sequence[Plane]:
    """Touching grains as a single thing."""
    grains = [disk(u, v, *_spot(rng, 0.6), r=rng.uniform(0.2, 0.42)) for _ in range(int(rng.integers(4, 9)))]
    return [np.maximum.reduce(grains), grains[0], grains[1]]


KINDS: dict[str, Kind] = {
    "disk": Kind(_disk),
    "ring": Kind(_ring, hollow=False),
    "rectangle": Kind(_rectangle, (0.4, 2.5)),
    "triangle": Kind(_triangle),
    "polygon": Kind(_polygon),
    "star": Kind(_star),
    "cross": Kind(_cross),
    "crescent": Kind(_crescent),
    "heart": Kind(_heart, (0.8, 1.2), 60.0),
    "arrow": Kind(_arrow, (1.0, 2.5)),
    "flower": Kind(_flower, (0.8, 1.2)),
    "gear": Kind(_gear, (0.9, 1.1)),
    "spiral": Kind(_spiral, (0.8, 1.2), hollow=False),
    "blob": Kind(_blob, (0.5, 2.0)),
    "cut-out": Kind(_cut_out, (0.5, 2.0)),
    "cell": Kind(_cell, (0.8, 1.25), hollow=False),
    "lobed cell": Kind(_lobed_cell, (0.8, 1.25), hollow=False),
    "cluster": Kind(_cluster, hollow=False),
    "rod": Kind(_rectangle, (2.5, 8.0)),
    "leaf": Kind(_leaf, (0.9, 1.3), hollow=False),
    "person": Kind(_person, (0.3, 0.55), 12.0, hollow=False),
    "animal": Kind(_animal, (1.0, 1.7), 15.0, hollow=False),
    "face": Kind(_face, (0.7, 1.1), 25.0, hollow=False),
    "car": Kind(_car, (1.5, 2.6), 10.0, hollow=False),
    "house": Kind(_house, (0.7, 1.4), 5.0, hollow=False),
    "tree": Kind(_tree, (0.5, 0.9), 8.0, hollow=False),
    "bottle": Kind(_bottle, (0.25, 0.5), 180.0, hollow=False),
    "fish": Kind(_fish, (1.3, 2.4), 40.0, hollow=False),
    "bird": Kind(_bird, (1.2, 2.2), 40.0, hollow=False),
}
