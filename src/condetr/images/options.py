"""Single options of an image processor, as JSON or a caller gives them."""

from PIL import Image

from condetr.core.errors import SettingsError


def numbers_of(given: object, name: str) -> tuple[float, ...]:
    """One number a channel; a single one stands for all three.

    Raises:
        SettingsError: something else.
    """
    each = given if isinstance(given, list | tuple) else (given,) * 3
    return tuple(number_of(number, name) for number in each)


def number_of(given: object, name: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise SettingsError(f"is {given!r}, expected a number", item=name)
    return float(given)


def flag_of(given: object, name: str) -> bool:
    if not isinstance(given, bool):
        raise SettingsError(f"is {given!r}, expected true or false", item=name)
    return given


def resample_of(given: object, name: str = "resample") -> Image.Resampling:
    """PIL's filter of this number, or of torchvision's name for it."""
    value = getattr(given, "value", given)
    for known in Image.Resampling:
        if value == known.value or value == known.name.lower() or value == f"{known.name.lower()}-exact":
            return known
    known_filters = ", ".join(f"{known.value} ({known.name})" for known in Image.Resampling)
    raise SettingsError(f"is {given!r}, expected one of {known_filters}", item=name)
