"""The documented forms of ``size``, and the (height, width) that each gives an image.

Where both edges are bounded and the longer one decides, there are two rounding rules: "torchvision" scales both
sides by the exact ratio; "pil", the older, rounds the shorter side first and derives the longer one from it, which
may then exceed its bound. A side is never 0, however narrow the image.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from condetr.core.errors import SettingsError
from condetr.images.options import shown

MOST_SIDE = 1_000_000  # of a side in settings, in pixels
MOST_PIXELS = 100_000_000  # of a resized or padded image: 1.2 GB in float32
HeightWidth: TypeAlias = tuple[int, int]
Numerics: TypeAlias = Literal["torchvision", "pil"]


@dataclass(frozen=True, slots=True)
class Edges:
    """Keep the aspect ratio: the shorter edge becomes ``shortest``, unless the longer one would exceed ``longest``."""

    shortest: int | None
    longest: int | None

    def fit(self, image: HeightWidth, rounding: Numerics) -> HeightWidth:
        return bounded(self._fit(image, rounding), "size")

    def _fit(self, image: HeightWidth, rounding: Numerics) -> HeightWidth:
        low, high = sorted(image)
        if self.shortest is None:
            return _oriented(max(1, int((self.longest or high) * low / high)), self.longest or high, image)
        bounded = self.longest is not None and high / low * self.shortest > self.longest
        exact = self.longest * low / high if self.longest is not None and bounded else self.shortest
        short = round(exact)
        if short == low:
            return image
        ratio = exact if rounding == "torchvision" or short < 1 else short
        return _oriented(max(1, short), max(1, int(ratio * high / low)), image)

    def to_dict(self) -> dict[str, int]:
        edges = {"shortest_edge": self.shortest, "longest_edge": self.longest}
        return {name: edge for name, edge in edges.items() if edge is not None}


@dataclass(frozen=True, slots=True)
class Exactly:
    """This height and width, whatever the aspect ratio."""

    height: int
    width: int

    def __post_init__(self) -> None:
        bounded((self.height, self.width), "size")

    def fit(self, image: HeightWidth, rounding: Numerics) -> HeightWidth:  # noqa: ARG002 - nothing to round
        return self.height, self.width

    def to_dict(self) -> dict[str, int]:
        return {"height": self.height, "width": self.width}


@dataclass(frozen=True, slots=True)
class Within:
    """Keep the aspect ratio, as large as fits."""

    max_height: int
    max_width: int

    def fit(self, image: HeightWidth, rounding: Numerics) -> HeightWidth:  # noqa: ARG002 - both rules truncate
        height, width = image
        scale = min(self.max_height / height, self.max_width / width)
        return bounded((max(1, int(height * scale)), max(1, int(width * scale))), "size")

    def to_dict(self) -> dict[str, int]:
        return {"max_height": self.max_height, "max_width": self.max_width}


Size: TypeAlias = Edges | Exactly | Within
_FORMS: dict[frozenset[str], type[Size]] = {
    frozenset({"shortest_edge", "longest_edge"}): Edges,
    frozenset({"shortest_edge"}): Edges,
    frozenset({"longest_edge"}): Edges,
    frozenset({"height", "width"}): Exactly,
    frozenset({"max_height", "max_width"}): Within,
}
_EXPECTED = (
    "{shortest_edge, longest_edge}, {height, width}, {max_height, max_width}, "
    "a shortest edge, or a pair (height, width)"
)


def size_of(value: object, *, longest: int | None = None, field: str = "size") -> Size:
    """Read any documented form of ``size``; ``longest`` bounds a bare shortest edge (the old ``max_size``).

    Raises:
        SettingsError: another form, or a side that is not a positive whole number.
    """
    if isinstance(value, Size):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Edges(_side(value, field), longest if longest is None else _side(longest, "max_size"))
    if isinstance(value, list | tuple) and len(value) == 2:
        return _named(Exactly, field, height=_side(value[0], field), width=_side(value[1], field))
    if isinstance(value, Mapping):
        sides = {name: side for name, side in value.items() if side is not None}
        form = _FORMS.get(frozenset(sides))
        if form is Edges:
            sides = {"longest_edge": longest} | sides if longest is not None else sides
            shortest, longest = (
                _side(sides[edge], f"{field}.{edge}") if edge in sides else None
                for edge in ("shortest_edge", "longest_edge")
            )
            return Edges(shortest, longest)
        if form is not None:
            return _named(form, field, **{name: _side(side, f"{field}.{name}") for name, side in sides.items()})
    raise SettingsError(f"is {shown(value)}, expected {_EXPECTED}", item=field)


def pad_size_of(value: object, name: str) -> Exactly:
    """Read ``pad_size``, which has one form: {height, width}."""
    size = size_of(value, field=name)
    if not isinstance(size, Exactly):
        raise SettingsError(f"is {shown(value)}, expected {{height, width}}", item=name)
    return size


def _side(value: object, field: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_SIDE:
        reason = f"is {shown(value)}, expected a whole number of pixels from 1 to {MOST_SIDE}"
        raise SettingsError(reason, item=field)
    return value


def _named(form: type[Size], field: str, **sides: int) -> Size:
    try:
        return form(**sides)
    except SettingsError as error:
        raise error.at(item=field) from None


def bounded(size: HeightWidth, field: str) -> HeightWidth:
    """The size unchanged.

    Raises:
        SettingsError: it has more than `MOST_PIXELS`.
    """
    height, width = size
    if height * width > MOST_PIXELS:
        reason = f"resizes or pads an image to {height}x{width} (height x width), more than {MOST_PIXELS} pixels"
        raise SettingsError(reason, item=field, hint="lower it")
    return size


def _oriented(short: int, long: int, image: HeightWidth) -> HeightWidth:
    height, width = image
    return (long, short) if width < height else (short, long)
