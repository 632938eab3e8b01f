"""Checks and files of settings that several commands share."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from condetr.cli.settings.value_types import is_count, shown
from condetr.core.errors import SettingsError
from condetr.files.yaml_reading import read_settings_yaml

ClassMap: TypeAlias = Mapping[str, str | list[str]]
_LARGEST_NAMES = 4 << 20  # bytes of a file of class names


def check_at_least(least: int, **settings: int) -> None:
    for name, value in settings.items():
        if value < least:
            raise SettingsError(f"is {value}, expected at least {least}", item=name)


def size_of_text(text: str, item: str) -> int | tuple[int, int]:
    """``640`` for a shortest edge, ``480x640`` for exactly this height and width."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(is_count(side) and int(side) > 0 for side in sides):
        raise SettingsError(f"is {text!r}, expected pixels such as 640, or HEIGHTxWIDTH such as 480x640", item=item)
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def height_and_width_of(text: str) -> tuple[int, int]:
    """Of ``480x640``; it is the value of image_size."""
    size = size_of_text(text, "image_size")
    if isinstance(size, int):
        raise SettingsError(f"is {text!r}, expected HEIGHTxWIDTH such as 480x640", item="image_size")
    return size


def names_in(file: Path) -> list[str]:
    """The names in a text file, one in a line.

    Raises:
        SettingsError: it cannot be read, or holds none.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_NAMES + 1)
        if len(content) > _LARGEST_NAMES:
            raise SettingsError(f"holds more than {_LARGEST_NAMES} bytes, too many for names", source=file)
        names = [line.strip() for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise SettingsError("cannot be read: it is not UTF-8 text", source=file) from error
    except (OSError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"cannot be read: {reason}", source=file) from error
    if not names:
        raise SettingsError("holds no names, expected one in a line", source=file)
    return names


def class_map_of(file: Path) -> ClassMap:
    """The table in a YAML file from class names of a dataset to those of a model.

    Raises:
        SettingsError: it cannot be read, or holds something else.
    """
    table = read_settings_yaml(file)
    if not isinstance(table, Mapping):
        raise SettingsError(f"holds {shown(table)}, expected CLASS OF THE DATA: CLASS OF THE MODEL", source=file)
    for name, others in table.items():
        listed = others if isinstance(others, list) else [others]
        if not all(isinstance(other, str) for other in listed):
            raise SettingsError(f"is {shown(others)}, expected a name or a list of names", source=file, item=name)
    return table
