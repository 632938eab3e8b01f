"""A synthetic scene: how many things of which kinds and sizes, where they lie, and what a camera makes of it.

Scene i of a split depends on (seed, split, i) and the size of the image alone.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Int8, UInt8
from PIL import Image, ImageDraw, ImageFilter

from condetr.data.demo.glyphs import DemoSplit
from condetr.data.records import Box
from condetr.data.synthetic.surfaces import Color, Pixels, background, hills, rough
from condetr.data.synthetic.things import CLASS_NAMES, VISIBLE, Look, thing

Owners: TypeAlias = Int8[np.ndarray, "height width"]
MOST_THINGS = 40
_SPLITS: dict[DemoSplit, int] = {"train": 100, "val": 101, "test": 102}  # apart from those of the digit scenes
_MOST_HIDDEN = 0.6  # share of a thing that others may cover
_LEAST_CONTRAST = (20.0, 90.0)  # levels between a thing's color and what is behind it
_TRIES = 6
_NO_THING = -1


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image and what is on it.

    Attributes:
        pixels: RGB.
        boxes: x1, y1, x2, y2 in pixels, of what is visible of each thing.
        labels: positions in `CLASS_NAMES`.
        owners: which thing each pixel shows; -1 for none.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    boxes: tuple[Box, ...]
    labels: tuple[int, ...]
    owners: Owners


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be on a scene: kinds and sizes, one a thing, and what they have in common."""

    names: tuple[str, ...]
    sizes: tuple[float, ...]
    spread: float
    overlap: bool


def scene(index: int, height: int, width: int, *, split: DemoSplit = "train", seed: int = 0) -> Scene:
    """Scene ``index`` of an endless split, at the size that is asked for."""
    rng = np.random.default_rng([seed, _SPLITS[split], index])
    pixels = background(rng, height, width, _color(rng))
    if rng.random() < 0.4:
        pixels = _cluttered(rng, pixels)
    owners = np.full((height, width), _NO_THING, np.int8)
    labels: list[int] = []
    hidden: list[float] = []  # pixels of each thing that later ones cover
    full: list[float] = []
    plan = _planned(rng, min(height, width))
    look: Look | None = None
    colors: dict[str, Color] = {}
    for name, size in zip(plan.names, plan.sizes, strict=True):
        behind = pixels[::8, ::8].mean((0, 1))
        if name not in colors or not plan.spread:
            colors[name] = _contrasting(rng, behind)
        if look is None or not plan.spread:
            look = Look(
                colors[name], plan.spread, rng.uniform(0, 30), float(rng.choice([0.0, 0.0, 0.5])), _opacity(rng)
            )
        made = thing(rng, name, size, Look(colors[name], look.spread, look.depth, look.hollow, look.opacity), split)
        if made is None:
            continue
        h, w = made.coverage.shape
        solid = made.coverage > VISIBLE * look.opacity
        for _ in range(_TRIES):
            top, left = _corner(rng, height, h), _corner(rng, width, w)
            y, x = slice(max(top, 0), min(top + h, height)), slice(max(left, 0), min(left + w, width))
            part = slice(y.start - top, y.stop - top), slice(x.start - left, x.stop - left)
            inside = solid[part]
            visible = int(inside.sum())
            if visible < 3 or visible < 0.3 * solid.sum():
                continue
            covered = np.bincount(owners[y, x][inside] + 1, minlength=len(labels) + 1)[1:]
            limit = _MOST_HIDDEN if plan.overlap else 0.05
            if all(hidden[i] + covered[i] <= limit * full[i] for i in np.flatnonzero(covered)):
                break
        else:
            continue
        for i in np.flatnonzero(covered):
            hidden[i] += covered[i]
        if rng.random() < 0.15 and min(h, w) > 12:
            pixels = _shadowed(rng, pixels, made.coverage[part], y, x)
        coverage = made.coverage[part][..., None]
        pixels[y, x] += coverage * (made.colors[part] - pixels[y, x])
        owners[y, x][inside] = len(labels)
        labels.append(CLASS_NAMES.index(name))
        hidden.append(0.0)
        full.append(visible)
    return _photographed(rng, pixels, owners, labels)


def _planned(rng: np.random.Generator, side: int) -> _Plan:
    kind = rng.random()
    if kind < 0.03:
        return _Plan((), (), 0.0, overlap=False)
    if kind < 0.18:  # one subject
        return _Plan((_name(rng),), (side * rng.uniform(0.35, 1.1),), 0.0, overlap=True)
    if kind < 0.5:  # a few things of any size
        count = int(rng.integers(1, 8))
        sizes = side * np.exp(rng.uniform(np.log(0.06), np.log(0.75), count))
        return _planned_sorted([_name(rng) for _ in range(count)], sizes, 0.0, overlap=True)
    if kind < 0.78:  # many of one to three kinds, alike in size and color
        count = int(rng.integers(6, MOST_THINGS + 1))
        kinds = [_name(rng) for _ in range(int(rng.integers(1, 4)))]
        typical = side * min(0.3, rng.uniform(0.35, 1.1) / np.sqrt(count))
        scales = dict(zip(kinds, np.exp(rng.normal(0, 0.6, len(kinds))), strict=False))
        names = [kinds[min(int(rng.exponential(0.7)), len(kinds) - 1)] for _ in range(count)]
        spread = rng.uniform(0.12, 0.3)
        sizes = np.array([typical * scales[name] * np.exp(rng.normal(0, spread)) for name in names])
        return _planned_sorted(names, sizes, rng.uniform(3, 15), overlap=rng.random() < 0.5)
    count = int(rng.integers(5, 25))  # a crowd of all sorts
    sizes = side * np.exp(rng.uniform(np.log(0.03), np.log(0.4), count))
    return _planned_sorted([_name(rng) for _ in range(count)], sizes, 0.0, overlap=rng.random() < 0.7)


def _planned_sorted(names: list[str], sizes: np.ndarray, spread: float, *, overlap: bool) -> _Plan:
    """Large things first, so that small ones lie in front."""
    order = np.argsort(-sizes)
    return _Plan(tuple(names[i] for i in order), tuple(max(3.0, float(sizes[i])) for i in order), spread, overlap)


def _name(rng: np.random.Generator) -> str:
    """Digits are one kind of eleven, though they are ten classes."""
    if rng.random() < 0.12:
        return CLASS_NAMES[int(rng.integers(10))]
    return CLASS_NAMES[int(rng.integers(10, len(CLASS_NAMES)))]


def _corner(rng: np.random.Generator, side: int, length: int) -> int:
    """Where a thing begins; a fifth of them may be cut by the edge."""
    if rng.random() < 0.2 or length >= side:
        return int(rng.integers(-length // 2, max(side - length // 2, 1 - length // 2)))
    return int(rng.integers(0, side - length + 1))


def _color(rng: np.random.Generator) -> Color:
    level, spread = rng.uniform(10, 245), float(rng.choice([5.0, 30.0, 60.0]))
    return np.clip(level + rng.normal(0, spread, 3), 0, 255).astype(np.float32)


def _contrasting(rng: np.random.Generator, behind: Color) -> Color:
    wanted = rng.uniform(*_LEAST_CONTRAST)
    for _ in range(12):
        color = _color(rng)
        if np.abs(color - behind).max() > wanted:
            return color
    return np.where(behind > 127, behind - 110, behind + 110).astype(np.float32)


def _opacity(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.55, 0.95)) if rng.random() < 0.25 else 1.0


def _cluttered(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """Lines, arcs and specks that belong to nothing."""
    height, width = pixels.shape[:2]
    sheet = Image.new("L", (width * 2, height * 2))
    pen = ImageDraw.Draw(sheet)
    for _ in range(int(rng.integers(1, 7))):
        x, y, x2, y2 = rng.uniform(0, 2, 4) * (width, height, width, height)
        thickness, kind = int(rng.integers(1, 6)), rng.random()
        if kind < 0.5:
            pen.line((x, y, x2, y2), fill=255, width=thickness)
        elif kind < 0.7:
            start = rng.uniform(0, 360)
            pen.arc(
                (min(x, x2), min(y, y2), max(x, x2), max(y, y2)), start, start + rng.uniform(30, 120), 255, thickness
            )
        else:
            pen.point([(float(a), float(b)) for a, b in rng.uniform(0, 2, (30, 2)) * (width, height)], fill=255)
    lines = np.asarray(sheet.resize((width, height), Image.Resampling.BOX), dtype=np.float32) / 255
    share = (lines * rng.uniform(0.3, 0.9))[..., None]
    return (pixels + share * (_color(rng) - pixels)).astype(np.float32)


def _shadowed(rng: np.random.Generator, pixels: Pixels, coverage: np.ndarray, y: slice, x: slice) -> Pixels:
    """A soft shadow or halo just beside the thing."""
    blurred = Image.fromarray((coverage * 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(min(coverage.shape) / 12)
    )
    shade = np.roll(np.asarray(blurred, dtype=np.float32) / 255, tuple(int(s) for s in rng.integers(-3, 4, 2)), (0, 1))
    pixels[y, x] += (shade * rng.uniform(-60, 40))[..., None]
    return pixels


def _photographed(rng: np.random.Generator, pixels: Pixels, owners: Owners, labels: list[int]) -> Scene:
    height, width = pixels.shape[:2]
    if rng.random() < 0.3:
        pixels = pixels * (1 + rng.uniform(0.05, 0.3) * hills(rng, height, width, 3))[..., None]
    if rng.random() < 0.15:
        pixels = pixels + rng.uniform(3, 12) * rough(rng, height, width)[..., None]
    if rng.random() < 0.25:
        pixels = np.repeat(pixels.mean(2, keepdims=True), 3, 2) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    if rng.random() < 0.5:
        shape = (height, width, 1 if rng.random() < 0.5 else 3)
        pixels = pixels + rng.uniform(1, 14) * rng.standard_normal(shape, dtype=np.float32)
    pixels = (pixels - 128) * rng.uniform(0.6, 1.1) + 128 + rng.uniform(-20, 20)
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.3)))
    boxes: list[Box] = []
    visible: list[int] = []
    kept = np.full_like(owners, _NO_THING)
    for number, box in _extents(owners).items():
        kept[owners == number] = len(boxes)
        boxes.append(box)
        visible.append(labels[number])
    return Scene(np.asarray(image), tuple(boxes), tuple(visible), kept)


def _extents(owners: Owners) -> dict[int, Box]:
    """The box of every thing of which a pixel is visible."""
    rows, columns = np.nonzero(owners >= 0)
    numbers = owners[rows, columns].astype(np.int64)
    lows, highs = np.full((MOST_THINGS, 2), max(owners.shape)), np.zeros((MOST_THINGS, 2), np.int64)
    for axis, at in enumerate((columns, rows)):
        np.minimum.at(lows[:, axis], numbers, at)
        np.maximum.at(highs[:, axis], numbers, at + 1)
    extents = np.concatenate((lows, highs), axis=1).astype(float).tolist()
    return {number: (x, y, x2, y2) for number, (x, y, x2, y2) in enumerate(extents) if x2 > 0}
