"""Checks of single options of an image processor, from JSON or a caller."""

import reprlib

from PIL import Image

from condetr.core.errors import SettingsError

LARGEST = 1e9  # of a mean, standard deviation or factor: keeps float32 results finite
SMALLEST = 1 / LARGEST  # of a standard deviation or factor
_MOST_CHANNELS = 1024
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100


def numbers_of(value: object, name: str) -> tuple[float, ...]:
    """One number per channel; a single number is used for all three.

    Raises:
        SettingsError: anything else.
    """
    each = value if isinstance(value, list | tuple) else (value,) * 3
    if len(each) > _MOST_CHANNELS:
        raise SettingsError(f"is {shown(value)}, expected one number per channel", item=name)
    return tuple(number_of(number, name) for number in each)


def number_of(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingsError(f"is {shown(value)}, expected a number", item=name)
    if not abs(value) <= LARGEST:  # also refuses NaN
        raise SettingsError(f"is {shown(value)}, expected a finite number from -1e9 to 1e9", item=name)
    return float(value)


def check_positive(numbers: tuple[float, ...], name: str) -> None:
    """Check divisors and factors."""
    if not all(SMALLEST <= number <= LARGEST for number in numbers):
        raise SettingsError(f"is {shown(list(numbers))}, expected numbers above 0, from 1e-9 to 1e9", item=name)


def shown(value: object) -> str:
    """A value of any type, shortened for a message."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python does not print integers of more than 4,300 digits
        return "a number with too many digits"


def flag_of(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"is {shown(value)}, expected true or false", item=name)
    return value


def resample_of(value: object, name: str = "resample") -> Image.Resampling:
    """PIL's filter with this number, or with torchvision's name for it."""
    plain = getattr(value, "value", value)
    for resampling in Image.Resampling:
        if plain in (resampling.value, resampling.name.lower(), f"{resampling.name.lower()}-exact"):
            return resampling
    filters = ", ".join(f"{resampling.value} ({resampling.name})" for resampling in Image.Resampling)
    raise SettingsError(f"is {shown(value)}, expected one of {filters}", item=name)
