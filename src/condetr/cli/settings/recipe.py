"""Recipes: files of settings that come with the package."""

from contextlib import suppress
from pathlib import Path

from condetr.bundled import RECIPES
from condetr.core.errors import SettingsError


def recipe_file(name: str) -> Path:
    """The settings of a recipe, by its name or its file.

    Raises:
        SettingsError: there is no such recipe.
    """
    if name in RECIPES:
        return RECIPES[name]
    with suppress(OSError):  # no possible path
        if Path(name).is_file():
            return Path(name)
    raise SettingsError(f"there is no recipe {name!r}", item="recipe", hint=f"one of {', '.join(RECIPES)}, or a file")


def description_of(name: str) -> str:
    """What a recipe is for, and its command: the first line of its file."""
    return RECIPES[name].read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
