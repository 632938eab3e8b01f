"""Single options of an image processor, as JSON or a caller gives them."""

import reprlib

from PIL import Image

from condetr.core.errors import SettingsError

LARGEST = 1e9  # of a mean, a deviation or a factor: what is computed with them stays finite in float32
SMALLEST = 1 / LARGEST  # of a deviation or a factor
_MOST_CHANNELS = 1024
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100


def numbers_of(given: object, name: str) -> tuple[float, ...]:
    """One number a channel; a single one stands for all three.

    Raises:
        SettingsError: something else.
    """
    each = given if isinstance(given, list | tuple) else (given,) * 3
    if len(each) > _MOST_CHANNELS:
        raise SettingsError(f"is {shown(given)}, expected one number a channel", item=name)
    return tuple(number_of(number, name) for number in each)


def number_of(given: object, name: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise SettingsError(f"is {shown(given)}, expected a number", item=name)
    if not abs(given) <= LARGEST:  # also refuses NaN
        raise SettingsError(f"is {shown(given)}, expected a finite number from -1e9 to 1e9", item=name)
    return float(given)


def check_positive(numbers: tuple[float, ...], name: str) -> None:
    """Numbers to divide by, or to multiply with."""
    if not all(SMALLEST <= number <= LARGEST for number in numbers):
        raise SettingsError(f"is {shown(list(numbers))}, expected numbers above 0, from 1e-9 to 1e9", item=name)


def shown(given: object) -> str:
    """A value of any kind and length, for a message."""
    try:
        return _SHORT.repr(given)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of too many digits"


def flag_of(given: object, name: str) -> bool:
    if not isinstance(given, bool):
        raise SettingsError(f"is {shown(given)}, expected true or false", item=name)
    return given


def resample_of(given: object, name: str = "resample") -> Image.Resampling:
    """PIL's filter of this number, or of torchvision's name for it."""
    value = getattr(given, "value", given)
    for known in Image.Resampling:
        if value == known.value or value == known.name.lower() or value == f"{known.name.lower()}-exact":
            return known
    known_filters = ", ".join(f"{known.value} ({known.name})" for known in Image.Resampling)
    raise SettingsError(f"is {shown(given)}, expected one of {known_filters}", item=name)
