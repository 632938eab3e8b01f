"""A synthetic scene: how many things of which kinds and sizes, where they lie, and noise and blur of a camera.

Scene i of a split depends on (seed, split, i) and the size of the image alone.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Int8, Int64, UInt8
from PIL import Image, ImageDraw, ImageFilter

from condetr.data.demo.glyphs import DemoSplit
from condetr.data.records import Box
from condetr.data.synthetic.surfaces import Color, Pixels, background, hills, plain_background, rough
from condetr.data.synthetic.things import CLASS_NAMES, VISIBLE, Appearance, Thing, thing

Owners: TypeAlias = Int8[np.ndarray, "height width"]
MOST_THINGS = 40
_MANY = 6  # things
_TINY, _SMALL = 2.0, 12.0  # pixels: the least size of things in a few scenes, and in the others
_PIXELS_PER_THING = 640  # at least, of scenes with many things
_SPLITS: dict[DemoSplit, int] = {"train": 100, "val": 101, "test": 102}  # apart from those of the digit scenes
_MOST_HIDDEN, _MOST_HIDDEN_APART = 0.6, 0.05  # share of a thing that others may cover, with and without overlaps
PLAIN = 0.85  # share of scenes that are easy to see: on plain sheets, without clutter
_LEAST_CONTRAST_PLAIN = (90.0, 130.0)
_LEAST_CONTRAST = (30.0, 100.0)  # levels between a thing's color and what is behind it
_TRIES = 6
_NO_THING = -1


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image and its labels.

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
    """Kind and size of each thing of a scene, the spread of their colors, and whether they may overlap."""

    names: tuple[str, ...]
    sizes: tuple[float, ...]
    spread: float
    overlap: bool


def scene(
    index: int, height: int, width: int, *, split: DemoSplit = "train", plain: float = PLAIN, seed: int = 0
) -> Scene:
    """Scene ``index`` of an endless split, at the given size.

    ``plain`` is the share of scenes that are easy to see: on plain sheets, without clutter.
    """
    rng = np.random.default_rng([seed, _SPLITS[split], index])
    is_plain = rng.random() < plain
    if is_plain:
        pixels = plain_background(rng, height, width, _color(rng))
    else:
        pixels = background(rng, height, width, _color(rng))
        if rng.random() < 0.4:
            pixels = _cluttered(rng, pixels)
    canvas = _Canvas(pixels)
    plan = _planned(rng, height, width, plain=is_plain)
    contrast = _LEAST_CONTRAST_PLAIN if is_plain else _LEAST_CONTRAST
    appearance: Appearance | None = None
    colors: dict[str, Color] = {}
    for name, size in zip(plan.names, plan.sizes, strict=True):
        behind = canvas.pixels[::8, ::8].mean((0, 1))
        if name not in colors or not plan.spread:
            colors[name] = _contrasting(rng, behind, contrast)
        if appearance is None or not plan.spread:
            depth, hollow = rng.uniform(0, 30), float(rng.choice([0.0, 0.0, 0.5]))
            appearance = Appearance(colors[name], plan.spread, depth, hollow, 1.0 if is_plain else _opacity(rng))
        drawn = thing(rng, name, size, replace(appearance, color=colors[name]), split)
        if drawn is not None:
            solid = drawn.coverage > VISIBLE * appearance.opacity
            most_hidden = _MOST_HIDDEN if plan.overlap else _MOST_HIDDEN_APART
            canvas.add(rng, drawn, solid, CLASS_NAMES.index(name), most_hidden)
    if is_plain:
        canvas.pixels += rng.uniform(0, 5) * rng.standard_normal((height, width, 1), dtype=np.float32)
    else:
        canvas.pixels = _photographed(rng, canvas.pixels)
    return _labeled(canvas.pixels, canvas.owners, canvas.labels, blur=rng.uniform(0.3, 1.3) * (rng.random() < 0.4))


class _Canvas:
    """The pixels of a scene, and which thing owns each of them."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.owners: Owners = np.full(pixels.shape[:2], _NO_THING, np.int8)
        self.labels: list[int] = []
        self._sizes: list[int] = []  # pixels of each thing when it was added
        self._hidden: list[float] = []  # how many of them later things cover

    def add(
        self, rng: np.random.Generator, drawn: Thing, solid: Bool[np.ndarray, "_ _"], label: int, most_hidden: float
    ) -> None:
        """Paint a thing where it hides at most that share of each other thing; not at all if no place is found."""
        window = self._free_window(rng, solid, most_hidden)
        if window is None:
            return
        y, x, part, covered = window
        for number in np.flatnonzero(covered):
            self._hidden[number] += covered[number]
        if rng.random() < 0.15 and min(solid.shape) > 12:
            _cast_shadow(rng, self.pixels, drawn.coverage[part], y, x)
        self.pixels[y, x] += drawn.coverage[part][..., None] * (drawn.colors[part] - self.pixels[y, x])
        self.owners[y, x][solid[part]] = len(self.labels)
        self.labels.append(label)
        self._sizes.append(int(solid[part].sum()))
        self._hidden.append(0.0)

    def _free_window(
        self, rng: np.random.Generator, solid: Bool[np.ndarray, "_ _"], most_hidden: float
    ) -> tuple[slice, slice, tuple[slice, slice], Int64[np.ndarray, "_"]] | None:
        """Rows, columns, the part of the thing inside of the image, and the pixels it covers of each other thing."""
        (height, width), (h, w) = self.owners.shape, solid.shape
        for _ in range(_TRIES):
            top, left = _corner(rng, height, h), _corner(rng, width, w)
            y, x = slice(max(top, 0), min(top + h, height)), slice(max(left, 0), min(left + w, width))
            part = slice(y.start - top, y.stop - top), slice(x.start - left, x.stop - left)
            inside = solid[part]
            visible = int(inside.sum())
            if visible < 3 or visible < 0.3 * solid.sum():
                continue
            covered = np.bincount(self.owners[y, x][inside] + 1, minlength=len(self.labels) + 1)[1:]
            limits = ((self._hidden[i] + covered[i], most_hidden * self._sizes[i]) for i in np.flatnonzero(covered))
            if all(hidden <= limit for hidden, limit in limits):
                return y, x, part, covered
        return None


def _planned(rng: np.random.Generator, height: int, width: int, *, plain: bool) -> _Plan:
    side, most = min(height, width), min(MOST_THINGS, max(_MANY, height * width // _PIXELS_PER_THING))
    least = _TINY if not plain and rng.random() < 0.2 else _SMALL
    kind = rng.random()
    if kind < 0.03:
        return _Plan((), (), 0.0, overlap=False)
    if kind < 0.18:  # one subject
        return _Plan((_name(rng),), (side * rng.uniform(0.35, 1.1),), 0.0, overlap=True)
    if kind < 0.5:  # a few things of any size
        count = int(rng.integers(1, 8))
        sizes = _spread(rng, max(least, 0.06 * side), 0.75 * side, count)
        return _planned_sorted([_name(rng) for _ in range(count)], sizes, 0.0, overlap=True)
    if kind < 0.78:  # many of one to three kinds, alike in size and color
        count = int(rng.integers(_MANY, most + 1))
        kinds = [_name(rng) for _ in range(int(rng.integers(1, 4)))]
        typical = side * min(0.3, rng.uniform(0.35, 1.1) / np.sqrt(count))
        scales = dict(zip(kinds, np.exp(rng.normal(0, 0.6, len(kinds))), strict=False))
        names = [kinds[min(int(rng.exponential(0.7)), len(kinds) - 1)] for _ in range(count)]
        spread = rng.uniform(0.12, 0.3)
        sizes = np.array([max(least, typical * scales[name]) * np.exp(rng.normal(0, spread)) for name in names])
        return _planned_sorted(names, sizes, rng.uniform(3, 15), overlap=rng.random() < 0.5)
    count = min(most, int(rng.integers(5, 25)))  # a crowd of all sorts
    sizes = _spread(rng, max(least, 0.03 * side), 0.4 * side, count)
    return _planned_sorted([_name(rng) for _ in range(count)], sizes, 0.0, overlap=rng.random() < 0.7)


def _spread(rng: np.random.Generator, smallest: float, largest: float, count: int) -> np.ndarray:
    """Sizes that are alike in number at every scale."""
    return np.exp(rng.uniform(np.log(smallest), np.log(largest), count))


def _planned_sorted(names: list[str], sizes: np.ndarray, spread: float, *, overlap: bool) -> _Plan:
    """Large things first, so that small ones lie in front."""
    order = np.argsort(-sizes)
    return _Plan(tuple(names[i] for i in order), tuple(max(3.0, float(sizes[i])) for i in order), spread, overlap)


def _name(rng: np.random.Generator) -> str:
    """The ten classes of digits together are as frequent as a few others."""
    if rng.random() < 0.12:
        return CLASS_NAMES[int(rng.integers(10))]
    return CLASS_NAMES[int(rng.integers(10, len(CLASS_NAMES)))]


def _corner(rng: np.random.Generator, side: int, length: int) -> int:
    """The first row or column of a thing; a fifth of them may be cut by the edge."""
    if rng.random() < 0.2 or length >= side:
        return int(rng.integers(-length // 2, max(side - length // 2, 1 - length // 2)))
    return int(rng.integers(0, side - length + 1))


def _color(rng: np.random.Generator) -> Color:
    level, spread = rng.uniform(10, 245), float(rng.choice([5.0, 30.0, 60.0]))
    return np.clip(level + rng.normal(0, spread, 3), 0, 255).astype(np.float32)


def _contrasting(rng: np.random.Generator, behind: Color, contrast: tuple[float, float]) -> Color:
    wanted = rng.uniform(*contrast)
    for _ in range(12):
        color = _color(rng)
        if np.abs(color - behind).max() > wanted:
            return color
    return np.where(behind > 127, behind - 110, behind + 110).astype(np.float32)


def _opacity(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.55, 0.95)) if rng.random() < 0.25 else 1.0


def _cluttered(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """With lines, arcs and specks that belong to no thing."""
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


def _cast_shadow(rng: np.random.Generator, pixels: Pixels, coverage: np.ndarray, y: slice, x: slice) -> None:
    """Add a soft shadow or halo just beside a thing."""
    blurred = Image.fromarray((coverage * 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(min(coverage.shape) / 12)
    )
    shade = np.roll(np.asarray(blurred, dtype=np.float32) / 255, tuple(int(s) for s in rng.integers(-3, 4, 2)), (0, 1))
    pixels[y, x] += (shade * rng.uniform(-60, 40))[..., None]


def _photographed(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """With uneven light, colors and noise as cameras have."""
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
    return (pixels - 128) * rng.uniform(0.6, 1.1) + 128 + rng.uniform(-20, 20)


def _labeled(pixels: Pixels, owners: Owners, labels: list[int], *, blur: float) -> Scene:
    """The scene, with boxes around what is visible of each thing."""
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if blur:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    boxes: list[Box] = []
    visible: list[int] = []
    kept = np.full_like(owners, _NO_THING)
    for number, box in _extents(owners).items():
        kept[owners == number] = len(boxes)
        boxes.append(box)
        visible.append(labels[number])
    return Scene(np.asarray(image), tuple(boxes), tuple(visible), kept)


def _extents(owners: Owners) -> dict[int, Box]:
    """The box of every thing that has a visible pixel."""
    rows, columns = np.nonzero(owners >= 0)
    numbers = owners[rows, columns].astype(np.int64)
    lows, highs = np.full((MOST_THINGS, 2), max(owners.shape)), np.zeros((MOST_THINGS, 2), np.int64)
    for axis, at in enumerate((columns, rows)):
        np.minimum.at(lows[:, axis], numbers, at)
        np.maximum.at(highs[:, axis], numbers, at + 1)
    extents = np.concatenate((lows, highs), axis=1).astype(float).tolist()
    return {number: (x, y, x2, y2) for number, (x, y, x2, y2) in enumerate(extents) if x2 > 0}
