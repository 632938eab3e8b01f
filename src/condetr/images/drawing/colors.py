"""Class colors, the same in all images."""

import colorsys
from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

Color: TypeAlias = tuple[int, int, int]
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_HEAT_AT = (0.0, 0.35, 0.65, 0.85, 1.0)
_HEAT = ((20, 10, 60), (150, 30, 110), (240, 100, 40), (255, 190, 40), (255, 255, 190))
HEAT_SCALE = np.stack(
    [np.interp(np.linspace(0, 1, 256), _HEAT_AT, part) for part in zip(*_HEAT, strict=True)], axis=-1
)  # 256 colors
_SHADES = 6  # of one color that the eye can distinguish


def color_of(label: int) -> Color:
    """The color of a class: neighboring labels are far apart in hue, in three lightnesses."""
    hue = label * 0.618033988749895 % 1  # multiples of the golden ratio never repeat
    lightness = (0.5, 0.68, 0.36)[label // 7 % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink_on(color: Color) -> Color:
    """Black or white, whichever has the higher contrast (WCAG 2.2, relative luminance)."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in color))
    red, green, blue = linear
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return _BLACK if (luminance + 0.05) ** 2 > 0.05 * 1.05 else _WHITE


def shades_of(labels: Iterable[int]) -> list[Color]:
    """A color per object: that of its class, darker for the second and further objects of a class."""
    counts: Counter[int] = Counter()
    colors = []
    for label in labels:
        share = 1 - 0.13 * (counts[label] % _SHADES)
        counts[label] += 1
        red, green, blue = (round(share * part) for part in color_of(label))
        colors.append((red, green, blue))
    return colors
