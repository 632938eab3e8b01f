"""A file that tells what a model calls the classes of a data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from condetr.cli.settings.value_types import shown
from condetr.core.errors import SettingsError
from condetr.files.yaml_reading import read_settings_yaml

ClassMap: TypeAlias = Mapping[str, str | list[str]]


def class_map_of(file: Path) -> ClassMap:
    """The table in a YAML file.

    Raises:
        SettingsError: it cannot be read, or holds something else.
    """
    given = read_settings_yaml(file)
    if not isinstance(given, Mapping):
        raise SettingsError(f"holds {shown(given)}, expected CLASS OF THE DATA: CLASS OF THE MODEL", source=file)
    for name, others in given.items():
        listed = others if isinstance(others, list) else [others]
        if not all(isinstance(other, str) for other in listed):
            raise SettingsError(f"is {shown(others)}, expected a name or a list of names", source=file, item=name)
    return given
