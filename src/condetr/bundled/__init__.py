"""Parts of the package that are no code: small models, so that the first command works without a download; recipes."""

from pathlib import Path

PREFIX = "condetr/"  # of their names where a model is required
DIGITS, NANO, SMALL = f"{PREFIX}digits", f"{PREFIX}nano", f"{PREFIX}small"
SMALL_MASKS = f"{SMALL}-masks"  # the same with a trained mask head
FOLDER = Path(__file__).parent / "digits"
RECIPES = {path.stem: path for path in sorted((Path(__file__).parent / "recipes").glob("*.yaml"))}  # of training


def bundled_models(home: Path = FOLDER.parent) -> dict[str, Path]:
    """The folder of every bundled model, by its name."""
    return {f"{PREFIX}{file.parent.name}": file.parent for file in sorted(home.glob("*/config.json"))}
